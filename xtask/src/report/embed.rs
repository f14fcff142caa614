//! Texts and bytes inside `<script>` elements, which a browser does not run but scripts can read.
//!
//! Invariant: nothing that is embedded can end its element.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, PreEscaped, html};
use serde::Serialize;

/// `value` as JSON, in an element with this id.
pub fn json(id: &str, value: &impl Serialize) -> Markup {
    // Only a map whose keys are no strings can not be written.
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    // In JSON `<` stands only in strings, where it may be written so: then there is no `</script>` and no `<!--`.
    let text = text.replace('<', "\\u003c");
    html! { script type="application/json" id=(id) { (PreEscaped(text)) } }
}

/// `bytes` in base64, in an element with this id.
pub fn binary(id: &str, bytes: &[u8]) -> Markup {
    let text = STANDARD.encode(bytes);
    html! { script type="application/wasm;base64" id=(id) { (PreEscaped(text)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_text_can_not_end_its_element() {
        let text = json("x", &["</script><!--"]).into_string();
        assert_eq!(
            text,
            r#"<script type="application/json" id="x">["\u003c/script>\u003c!--"]</script>"#
        );
    }

    #[test]
    fn bytes_are_base64() {
        let text = binary("x", b"\0asm").into_string();
        assert_eq!(text, r#"<script type="application/wasm;base64" id="x">AGFzbQ==</script>"#);
    }
}
