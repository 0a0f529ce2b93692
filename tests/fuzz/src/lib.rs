//! What the targets below `tests/` share. Each target is a test: `cargo test` runs it on its corpus
//! and for a second on random input; `make fuzz` runs each for ten minutes.

/// A change of a text: at this place (counted around), this character.
pub type Edit = (u16, u8);

/// The text with these characters changed; ASCII stays ASCII, so that most of what is made is
/// nearly right.
pub fn edited(text: &str, edits: &[Edit]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (place, character) in edits {
        if characters.is_empty() {
            break;
        }
        let place = usize::from(*place) % characters.len();
        match character {
            0..32 => drop(characters.remove(place)),
            32..127 => characters[place] = char::from(*character),
            _ => characters.insert(place, char::from(*character & 0x7f)),
        }
    }

    characters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_remove_replace_and_insert() {
        assert_eq!(edited("abc", &[(0, 1)]), "bc");
        assert_eq!(edited("abc", &[(4, b'x')]), "axc");
        assert_eq!(edited("abc", &[(1, b'x' | 0x80)]), "axbc");
        assert_eq!(edited("", &[(1, b'x')]), "");
    }
}
