use twinrail_proto::domain::HomeMove;

use super::board::{Board, Piece};
use super::choose::settle;
use super::evacuate::moves;
use super::even::even_out;
use super::plan::Plan;
use super::succession::{fresh, kept};
use super::view::View;

/// Brings everything up to date: adapters without a home, or with one that cannot serve (lost, drained, no uplink any more,
/// out of the server's reach), get one if anybody can carry them; lists of successors that are out of date are
/// written again. Whatever is in order stays as it is: after the plan was applied, there is nothing to do.
pub fn refresh(view: &View) -> Plan {
    let mut board = Board::new(view, &[]);
    let serves = |it: &Piece| it.home.is_some_and(|home| it.able.contains(home));
    let (mut staying, mut leaving): (Vec<Piece>, Vec<Piece>) = board.carried().into_iter().partition(serves);
    let stranded = settle(&mut board, &mut leaving);
    even_out(&mut board, &mut leaving);
    let moves = moves(&mut board, &leaving);
    let stuck = leaving.into_iter().filter(|it| it.home.is_some() && !board.has_moved(it));
    staying.extend(stuck.collect::<Vec<_>>());
    Plan { moves, successors: renewed_lists(&mut board, &staying), stranded }.sorted()
}

/// First the lists that only lose somebody, then those that need a new order: it is shared out around the others.
fn renewed_lists(board: &mut Board, pieces: &[Piece]) -> Vec<HomeMove> {
    let mut renewed = Vec::new();
    let mut out_of_order = Vec::new();
    for piece in pieces {
        match kept(board, piece) {
            Some(list) if list == piece.adapter.home.successors => {}
            Some(list) => renewed.push(board.home_move(piece, list)),
            None => {
                board.forget_heir(piece);
                out_of_order.push(piece);
            }
        }
    }
    for piece in out_of_order {
        let list = fresh(board, piece);
        renewed.push(board.home_move(piece, list));
    }
    renewed
}
