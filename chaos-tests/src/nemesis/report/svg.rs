//! Little of SVG and HTML: what the pictures need. Pure.

/// Colours of directors, in the order of their names; more directors use them again. They differ in lightness too.
const DIRECTORS: [&str; 5] = ["#4477aa", "#ee9933", "#338855", "#aa4499", "#88ccee"];
/// Nobody, or nobody knows.
pub const NOBODY: &str = "#d8d8d8";
/// Clients got no answer.
pub const GAP: &str = "#cc1133";

/// Text as HTML and SVG take it.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A director's colour.
pub fn colour<'a>(directors: &[String], name: &str) -> &'a str {
    directors.iter().position(|it| it == name).map_or(NOBODY, |it| DIRECTORS[it % DIRECTORS.len()])
}

pub fn rect(x: f64, y: f64, width: f64, height: f64, fill: &str, title: &str) -> String {
    let title = escaped(title);
    format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"><title>{title}</title></rect>\n"
    )
}

pub fn line(x1: f64, y1: f64, x2: f64, y2: f64, class: &str) -> String {
    format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>\n")
}

/// `anchor`: start, middle, end.
pub fn text(x: f64, y: f64, anchor: &str, class: &str, content: &str) -> String {
    let content = escaped(content);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{content}</text>\n")
}

/// A whole picture, so wide and so high.
pub fn picture(width: f64, height: f64, label: &str, content: &str) -> String {
    let label = escaped(label);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{label}\">\n\
         {content}</svg>\n"
    )
}
