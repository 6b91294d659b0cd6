use super::board::{Board, Piece};
use super::directors::Place;

/// Moves pieces from fuller directors to emptier ones, as long as a move makes the loads more even (a difference of two or
/// more) and brings no two adapters of a server closer together.
///
/// The second condition costs nothing where directors are alike: if one has two adapters more than another, then
/// some server has more adapters on the first than on the second, and moving that one's brings nothing together.
///
/// Each move makes the sum of the squares of the loads smaller, so this ends; each move goes between the two directors that
/// differ most, so there are as few as possible. Each pair of directors looks through the pieces of the fuller one
/// with a cursor that only advances: a round is linear in the pieces, not quadratic.
pub(super) fn even_out(board: &mut Board, pieces: &mut [Piece]) {
    loop {
        let mut round = Round::new(board, pieces);
        let mut moved = false;
        while let Some((from, to)) = round.widest_gap(board) {
            match round.find(board, pieces, from, to) {
                Some(index) => {
                    round.shift(board, pieces, index, to);
                    moved = true;
                }
                None => round.give_up(from, to),
            }
        }
        if !moved {
            return;
        }
    }
}

struct Round {
    directors: usize,
    /// Indices of the pieces that were at each director at some time in this round.
    at: Vec<Vec<usize>>,
    cursors: Vec<usize>,
    exhausted: Vec<bool>,
}

impl Round {
    fn new(board: &Board, pieces: &[Piece]) -> Self {
        let directors = board.director_count();
        let mut at = vec![Vec::new(); directors];
        for (index, piece) in pieces.iter().enumerate() {
            if let Some(home) = piece.home {
                at[home].push(index);
            }
        }
        let pairs = directors * directors;
        Self { directors, at, cursors: vec![0; pairs], exhausted: vec![false; pairs] }
    }

    /// The pair with the greatest difference of loads, if that is two or more and it was not looked through in vain.
    fn widest_gap(&self, board: &Board) -> Option<(Place, Place)> {
        let pairs = (0..self.directors).flat_map(|from| (0..self.directors).map(move |to| (from, to)));
        let gap = |&(from, to): &(Place, Place)| board.load(from).saturating_sub(board.load(to));
        let open = pairs.filter(|it| gap(it) >= 2 && !self.exhausted[self.pair(it.0, it.1)]);
        open.max_by_key(|it| (gap(it), std::cmp::Reverse(*it)))
    }

    /// A piece at `from` that may go to `to`. Looks from the cursor to the end, and once more from the start, because moves
    /// since then may have made room.
    fn find(&mut self, board: &Board, pieces: &[Piece], from: Place, to: Place) -> Option<usize> {
        let pair = self.pair(from, to);
        let fits = |index: usize| {
            let piece = &pieces[index];
            let may_go = piece.home == Some(from) && piece.candidates.contains(to);
            may_go && board.spread(piece, from) > board.spread(piece, to)
        };
        let list = &self.at[from];
        let start = self.cursors[pair];
        let found = (start..list.len()).chain(0..start).find(|&it| fits(list[it]))?;
        self.cursors[pair] = found + 1;
        Some(list[found])
    }

    fn shift(&mut self, board: &mut Board, pieces: &mut [Piece], index: usize, to: Place) {
        board.lift(&mut pieces[index]);
        board.seat(&mut pieces[index], to);
        self.at[to].push(index);
    }

    fn give_up(&mut self, from: Place, to: Place) {
        let pair = self.pair(from, to);
        self.exhausted[pair] = true;
    }

    fn pair(&self, from: Place, to: Place) -> usize {
        from * self.directors + to
    }
}
