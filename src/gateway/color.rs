//! The color of a person, as the canvas chooses it.
//!
//! Contract: contract/lightning.md, 5.4: the page's own hash of the user's id, over eight colors.

/// The color that every page gives to this user.
pub fn of_user(id: &str) -> &'static str {
    let hash =
        id.encode_utf16().fold(0_i32, |hash, unit| (hash << 5).wrapping_sub(hash).wrapping_add(unit.into()));
    PALETTE[hash.unsigned_abs() as usize % PALETTE.len()]
}

/// Whether it is `#rrggbb`, the one form that says nothing else inside a style sheet.
pub fn is_plain(color: &str) -> bool {
    let digits = color.strip_prefix('#').unwrap_or_default();
    digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The page's colors, in its order.
const PALETTE: [&str; 8] =
    ["#FF6B6B", "#4ECDC4", "#45B7D1", "#FFA07A", "#98D8C8", "#FFCF56", "#FF8B94", "#AED581"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_color_that_the_page_gives_it() {
        // What the page's own function gives in JavaScript.
        let colors = [
            ("", "#FF6B6B"),
            ("ada", "#FF8B94"),
            ("bob", "#FFCF56"),
            ("4f3c1b2a-9d8e-4c7b-a6f5-0123456789ab", "#45B7D1"),
            ("🦀é", "#AED581"),
        ];
        for (id, color) in colors {
            assert_eq!(of_user(id), color, "{id}");
        }
    }

    #[test]
    fn only_six_hexadecimal_digits_are_plain() {
        assert!(is_plain("#4ECDC4") && is_plain("#4ecdc4"));
        for color in
            ["", "#", "4ECDC4", "#4ECDC", "#4ECDC4F", "red", "#4ECDCG", "#4ECDC4;", "##ECDC4", "#4ECD\u{e9}"]
        {
            assert!(!is_plain(color), "{color}");
        }
    }
}
