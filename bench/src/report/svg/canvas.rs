//! Elements of an SVG picture, as text.

use std::fmt::Write as _;

/// Text in the picture.
pub(crate) const INK: &str = "#1f2328";
/// Less important text.
pub(crate) const FAINT: &str = "#59636e";
/// Lines of the grid.
pub(crate) const RULE: &str = "#e4e8ec";
/// Fonts that every system has one of: nothing is loaded from anywhere.
const FONTS: &str = "Inter, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif";

/// Where text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Font {
    pub size: f64,
    pub bold: bool,
    pub colour: &'static str,
}

impl Font {
    pub const fn new(size: f64, colour: &'static str) -> Self {
        Self {
            size,
            bold: false,
            colour,
        }
    }

    pub const fn bold(size: f64) -> Self {
        Self {
            size,
            bold: true,
            colour: INK,
        }
    }

    /// How wide a text is, roughly: no font is at hand to measure it.
    pub fn width(self, text: &str) -> f64 {
        let share = if self.bold { 0.62 } else { 0.56 };
        text.chars().count() as f64 * self.size * share
    }
}

/// A picture under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canvas {
    body: String,
}

impl Canvas {
    pub fn line(&mut self, from: [f64; 2], to: [f64; 2], colour: &str, width: f64) {
        let ([x1, y1], [x2, y2]) = (from, to);
        self.add(&format!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" \
             stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ));
    }

    /// A bar with its upper corners a little round, described by `title` to whoever points at it.
    pub fn bar(&mut self, at: [f64; 2], size: [f64; 2], colour: &str, title: &str) {
        let ([x, y], [width, height]) = (at, [size[0].max(0.5), size[1].max(0.5)]);
        let title = escaped(title);
        self.add(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             rx=\"1.5\" fill=\"{colour}\"><title>{title}</title></rect>"
        ));
    }

    pub fn dot(&mut self, [x, y]: [f64; 2], colour: &str, title: &str) {
        let title = escaped(title);
        self.add(&format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\" \
             stroke=\"#ffffff\" stroke-width=\"1.5\"><title>{title}</title></circle>"
        ));
    }

    pub fn path(&mut self, points: &[[f64; 2]], colour: &str) {
        let points: Vec<String> = points
            .iter()
            .map(|[x, y]| format!("{x:.1},{y:.1}"))
            .collect();
        self.add(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\" \
             stroke-linejoin=\"round\"/>",
            points.join(" ")
        ));
    }

    /// From `low` to `high` with a short stroke at both ends.
    pub fn whisker(&mut self, x: f64, low: f64, high: f64) {
        self.line([x, low], [x, high], INK, 1.0);
        for y in [low, high] {
            self.line([x - 3.0, y], [x + 3.0, y], INK, 1.0);
        }
    }

    /// Text with a white rim, so that lines which it covers do not strike it through.
    pub fn text(&mut self, [x, y]: [f64; 2], text: &str, font: Font, anchor: Anchor) {
        self.place(text, font, anchor, &format!("x=\"{x:.1}\" y=\"{y:.1}\""));
    }

    /// Text that reads upwards.
    pub fn upright(&mut self, [x, y]: [f64; 2], text: &str, font: Font) {
        let turned = format!("transform=\"translate({x:.1} {y:.1}) rotate(-90)\"");
        self.place(text, font, Anchor::Middle, &turned);
    }

    fn place(&mut self, text: &str, font: Font, anchor: Anchor, place: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if font.bold { "600" } else { "400" };
        let (size, colour, text) = (font.size, font.colour, escaped(text));
        self.add(&format!(
            "<text {place} font-size=\"{size}\" font-weight=\"{weight}\" fill=\"{colour}\" \
             text-anchor=\"{anchor}\" stroke=\"#ffffff\" stroke-width=\"3\" \
             stroke-linejoin=\"round\" paint-order=\"stroke\">{text}</text>"
        ));
    }

    fn add(&mut self, element: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.body, "{element}");
    }

    /// The whole file. `title` is for whoever cannot see it.
    pub fn finish(&self, width: f64, height: f64, title: &str) -> String {
        let title = escaped(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" font-family=\"{FONTS}\">\n\
             <title>{title}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.body
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_an_element() {
        let mut canvas = Canvas::default();
        let font = Font::new(12.0, INK);
        canvas.text([1.0, 2.0], "a <b> & \"c\"", font, Anchor::End);
        let picture = canvas.finish(100.0, 50.0, "<x>");
        assert!(
            picture.contains("a &lt;b&gt; &amp; &quot;c&quot;"),
            "{picture}"
        );
        assert!(!picture.contains("<x>") && picture.ends_with("</svg>\n"));
    }
}
