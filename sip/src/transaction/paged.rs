//! A vector that grows by pages, so that growing never moves what is there.

/// Entries of a page: a table of hundreds of thousands grows without a pause to copy it.
pub(crate) const PAGE: usize = 1024;

/// A vector in pages of [`PAGE`] entries, which stay when they are empty.
pub(crate) struct Paged<T> {
    /// Full ones, one that is not, and empty ones.
    pages: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Paged<T> {
        Paged {
            pages: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Paged<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.pages.get(at / PAGE)?.get(at % PAGE)
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.pages.get_mut(at / PAGE)?.get_mut(at % PAGE)
    }

    pub(crate) fn push(&mut self, value: T) {
        let at = self.len / PAGE;
        if at == self.pages.len() {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        if let Some(page) = self.pages.get_mut(at) {
            page.push(value);
            self.len += 1;
        }
    }

    /// Takes the last entry.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        let value = self.pages.get_mut(last / PAGE)?.pop()?;
        self.len = last;
        Some(value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn behaves_like_a_vector_over_the_edges_of_pages() {
        let mut paged = Paged::default();
        assert_eq!((paged.len(), paged.pop()), (0, None));
        for number in 0..3 * PAGE {
            assert_eq!(paged.len(), number);
            paged.push(number);
        }
        *paged.get_mut(PAGE).unwrap() += 1;
        assert_eq!(paged.get(PAGE), Some(&(PAGE + 1)));
        assert_eq!(paged.get(3 * PAGE), None);
        assert_eq!(paged.iter().count(), 3 * PAGE);
        for number in (2 * PAGE..3 * PAGE).rev() {
            assert_eq!(paged.pop(), Some(number));
        }
        assert_eq!(paged.len(), 2 * PAGE);
        paged.push(7);
        assert_eq!(paged.get(2 * PAGE), Some(&7));
    }
}
