use super::board::{Board, Piece};
use super::choose::settle;
use super::evacuate::moves;
use super::even::even_out;
use super::plan::Plan;
use super::view::View;

/// Evens out the loads with as few moves as possible, and gives back to active directors what spares hold for them. The
/// only way back to a director that was lost and returned. What sits on a director that is not trusted at the
/// moment is left alone: that is a matter of loss, not of balance.
pub fn rebalance(view: &View) -> Plan {
    let mut board = Board::new(view, &[]);
    let mut pieces = board.carried();
    pieces.retain(|it| it.home.is_some_and(|home| (board.fit & it.able).contains(home)));
    let in_order = |it: &Piece| it.home.is_some_and(|home| it.candidates.contains(home));
    let (mut staying, mut on_spares): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(in_order);
    settle(&mut board, &mut on_spares);
    staying.append(&mut on_spares);
    staying.sort_by_key(|it| (it.server, it.adapter.id));
    even_out(&mut board, &mut staying);
    Plan { moves: moves(&mut board, &staying), ..Plan::default() }.sorted()
}
