use twinrail_proto::domain::Name;

use super::board::{Board, Piece};
use super::directors::{DirectorSet, Place};

/// Who succeeds a piece that has just been seated: the committed order where it still fits, a new one otherwise.
pub(super) fn succession(board: &mut Board, piece: &Piece) -> Vec<Name> {
    kept(board, piece).unwrap_or_else(|| fresh(board, piece))
}

/// The committed order without those that cannot succeed any more. None: somebody is missing in it, or a spare comes
/// before an active director; then only a new order shares the heritage evenly.
///
/// Keeping it matters: a list that changed with every change of load would be written again for thousands of adapters
/// whenever one is made.
pub(super) fn kept(board: &Board, piece: &Piece) -> Option<Vec<Name>> {
    let wanted = heirs(piece);
    let mut order: Vec<Place> = Vec::with_capacity(wanted.len());
    for place in piece.adapter.home.successors.iter().filter_map(|it| board.place_of(it)) {
        if wanted.contains(place) && !order.contains(&place) {
            order.push(place);
        }
    }
    let complete = order.len() == wanted.len();
    let spares_last = order.is_sorted_by_key(|&it| !board.active.contains(it));
    (complete && spares_last).then(|| names(board, &order))
}

/// Active directors first; then whoever has least of this server, is heir to the fewest of this home's adapters, has the
/// least load; then by name. So the adapters of a home are inherited by all others in equal shares.
pub(super) fn fresh(board: &mut Board, piece: &Piece) -> Vec<Name> {
    let mut order: Vec<Place> = heirs(piece).iter().collect();
    if let Some(home) = piece.home {
        order.sort_by_key(|&it| {
            (!board.active.contains(it), board.spread(piece, it), board.heirs(home, it), board.load(it), it)
        });
        if let Some(&first) = order.first() {
            board.add_heir(home, first);
        }
    }
    names(board, &order)
}

fn heirs(piece: &Piece) -> DirectorSet {
    piece.home.map_or(piece.able, |home| piece.able - DirectorSet::one(home))
}

fn names(board: &Board, order: &[Place]) -> Vec<Name> {
    order.iter().map(|&it| board.name_of(it).clone()).collect()
}
