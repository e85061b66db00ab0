//! The routing table of one packet thread: rows at fixed places, found by index.
//!
//! A completion's user data names the row, so that a packet costs no hash and no search. The
//! table is changed and read by its thread alone. Rows never move: room for all of them is
//! reserved at the start, and memory is touched as rows are first used.

/// Rows by index.
#[derive(Debug)]
pub struct Table<T> {
    rows: Vec<Option<T>>,
    capacity: usize,
    used: usize,
}

impl<T> Table<T> {
    /// A table of that many rows. The only allocation of its life.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Table<T> {
        Table {
            rows: Vec::with_capacity(capacity),
            capacity,
            used: 0,
        }
    }

    /// Puts a row in its place.
    ///
    /// # Errors
    /// Gives `row` back when the place is taken, or beyond the capacity.
    pub fn insert(&mut self, index: u32, row: T) -> Result<(), T> {
        let index = index as usize;
        if index >= self.capacity {
            return Err(row);
        }
        if index >= self.rows.len() {
            self.rows.resize_with(index + 1, || None);
        }
        match self.rows.get_mut(index) {
            Some(place @ None) => {
                *place = Some(row);
                self.used += 1;
                Ok(())
            }
            _ => Err(row),
        }
    }

    /// The row in that place.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.rows.get(index as usize)?.as_ref()
    }

    /// The row in that place, to be changed.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.rows.get_mut(index as usize)?.as_mut()
    }

    /// Takes the row out of its place.
    pub fn remove(&mut self, index: u32) -> Option<T> {
        let row = self.rows.get_mut(index as usize)?.take()?;
        self.used -= 1;
        Some(row)
    }

    /// Number of rows in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether no row is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Indices below this have been used at some time; none above.
    #[must_use]
    pub fn end(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_stay_where_they_are_put() {
        let mut table = Table::with_capacity(4);
        table.insert(2, "c").unwrap();
        let place = std::ptr::from_ref(table.get(2).unwrap());
        table.insert(0, "a").unwrap();
        table.insert(3, "d").unwrap();
        assert_eq!(place, std::ptr::from_ref(table.get(2).unwrap()));
        assert_eq!(table.insert(2, "x"), Err("x"));
        assert_eq!(table.insert(4, "x"), Err("x"));
        assert_eq!((table.len(), table.end()), (3, 4));
        assert_eq!(table.remove(2), Some("c"));
        assert_eq!(table.remove(2), None);
        assert_eq!(table.remove(9), None);
        assert_eq!((table.get(1), table.get(9), table.len()), (None, None, 2));
        table.insert(2, "y").unwrap();
        *table.get_mut(2).unwrap() = "z";
        assert_eq!(table.get(2), Some(&"z"));
        assert!(!table.is_empty());
    }
}
