//! Names that people type, and what they may have meant.

/// The known name that is nearest to a wrong one, as `; did you mean 'x'?`, and where none is near, all of them.
pub fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known.iter().min_by_key(|it| distance(wrong, it)).filter(|it| distance(wrong, it) <= NEAR);
    match nearest {
        Some(name) => format!("; did you mean '{name}'?"),
        None => format!("; there are: {}", known.join(", ")),
    }
}

/// More slips than this are another word.
const NEAR: usize = 3;

/// Levenshtein's: letters to insert, remove or change.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], index + 1);
        for (at, its) in other.iter().enumerate() {
            let change = corner + usize::from(letter != *its);
            corner = row[at + 1];
            row[at + 1] = change.min(corner + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_get_the_list() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(suggestion("puase", ["pause", "drain"]), "; did you mean 'pause'?");
        assert_eq!(suggestion("earthquake", ["pause", "drain"]), "; there are: pause, drain");
    }
}
