//! Words as a line of bash that has them as they are.

/// A command's words, quoted where bash would see more in them than letters.
pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./:=,@+%".contains(it);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    // A line ends where a new one begins: bash has a notation for that.
    format!("'{}'", word.replace('\'', r"'\''").replace('\n', r"'$'\n''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_gives_the_same_words_back() {
        let given = ["printf", "%s|", "plain", "", "two words", "it's", "a\nb", "$HOME", "\\n"];
        let output = std::process::Command::new("bash").args(["-c", &words(given)]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "plain||two words|it's|a\nb|$HOME|\\n|");
        assert!(!words(given).contains('\n'));
    }
}
