use twinrail_proto::domain::AdapterId;

use super::board::{Board, Piece};
use super::directors::Place;

/// Gives each piece a new home among its candidates. Those for whom there is none go back to where they were: their
/// adapters are returned. All are lifted before the first is seated, so that none counts as load twice.
pub(super) fn settle(board: &mut Board, pieces: &mut [Piece]) -> Vec<AdapterId> {
    let before: Vec<Option<Place>> = pieces.iter().map(|it| it.home).collect();
    for piece in pieces.iter_mut() {
        board.lift(piece);
    }
    let mut stranded = Vec::new();
    for (piece, before) in pieces.iter_mut().zip(before) {
        let chosen = choose(board, piece);
        if chosen.is_none() {
            stranded.push(piece.adapter.id);
        }
        if let Some(director) = chosen.or(before) {
            board.seat(piece, director);
        }
    }
    stranded
}

/// An adapter that loses its home goes to the first successor that can carry it. One that has none goes where
/// its server has least, then where there is least, then to the first by name.
fn choose(board: &Board, piece: &Piece) -> Option<Place> {
    let home = &piece.adapter.home;
    let listed = home.successors.iter().filter(|_| home.director.is_some());
    let heir = listed.filter_map(|it| board.place_of(it)).find(|&it| piece.candidates.contains(it));
    let least = || {
        let score = |&it: &Place| (board.spread(piece, it), board.load(it), it);
        piece.candidates.iter().min_by_key(score)
    };
    heir.or_else(least)
}
