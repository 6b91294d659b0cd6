use std::collections::BTreeSet;

use proptest::prelude::*;
use twinrail_failover::Standing;
use twinrail_failover::placement::{
    AdapterView, Plan, View, drain, keep_or_place, move_to, on_director_lost, on_paths_lost, place, rebalance, refresh,
};
use twinrail_proto::domain::{AdminState, Carriage, DirectorRole, HomeMove, Name};

use super::world::{Use, World, world};

/// What every list of moves must be, whoever made it: in order, of adapters in use, with the epochs of the view, to those that fit.
fn check_moves(world: &World, moves: &[HomeMove]) -> Result<(), TestCaseError> {
    prop_assert!(moves.is_sorted_by(|a, b| a.adapter < b.adapter), "each adapter once");
    for it in moves {
        let adapter = world.adapter(it.adapter);
        prop_assert_eq!(it.expected, adapter.home.epoch);
        let to = it.to.as_ref().expect("nobody is ever sent nowhere");
        let stays = adapter.home.director.as_ref() == Some(to) && fits_where_it_is(world, adapter);
        prop_assert!(stays || world.candidates(adapter).contains(to), "{:?} does not fit {:?}", to, adapter);
        check_successors(world, it, to)?;
    }
    Ok(())
}

/// The successors are exactly the others that could have it, active ones first.
fn check_successors(world: &World, it: &HomeMove, home: &Name) -> Result<(), TestCaseError> {
    let adapter = world.adapter(it.adapter);
    let mut hopeful = world.clone();
    for director in hopeful.directors.iter_mut().filter(|it| it.standing == Standing::Doubted) {
        director.standing = Standing::Trusted;
    }
    let able = hopeful.directors.iter().filter(|it| hopeful.fits(it, adapter) && it.name != *home);
    let able: BTreeSet<&Name> = able.map(|it| &it.name).collect();
    prop_assert_eq!(&able, &it.successors.iter().collect(), "successors of {:?}", adapter);
    prop_assert_eq!(able.len(), it.successors.len());
    let role = |name: &Name| world.directors.iter().find(|it| it.name == *name).unwrap().role;
    prop_assert!(it.successors.is_sorted_by_key(|it| role(it) == DirectorRole::Spare));
    Ok(())
}

fn shuffled<'a>(view: &View<'a>, by: usize) -> View<'a> {
    let mut view = view.clone();
    let turn = |len: usize| if len == 0 { 0 } else { by % len };
    let (directors, adapters) = (turn(view.directors.len()), turn(view.adapters.len()));
    view.directors.rotate_left(directors);
    view.adapters.rotate_left(adapters);
    view.adapters.reverse();
    view
}

/// A plan of every kind, each with whether it takes adapters away from `director`.
fn plans(view: &View, director: &Name, server: &Name) -> Vec<(Plan, bool)> {
    let lifted: Vec<AdapterView> = view.adapters.iter().filter(|it| it.carriage != Carriage::Idle).copied().collect();
    let only = |moves: Vec<HomeMove>| Plan { moves, ..Plan::default() };
    vec![
        (refresh(view), false),
        (rebalance(view), false),
        (on_director_lost(view, director), true),
        (drain(view, director), true),
        (on_paths_lost(view, server, director), true),
        (only(place(view, &lifted)), false),
        (only(keep_or_place(view, &lifted)), false),
        (only(view.adapters.iter().filter_map(|it| move_to(view, it.id, director).ok()).collect()), false),
    ]
}

/// Whether a move of this adapter would make things more even without bringing two of a server together.
fn improvement(world: &World, adapter: &super::world::Adapter, to: &Name) -> bool {
    let Some(from) = adapter.home.director.as_ref() else { return false };
    let loads = world.loads();
    let fits = from != to && world.candidates(adapter).contains(to);
    fits && loads[from] >= loads[to] + 2 && world.spread(&adapter.server, from) > world.spread(&adapter.server, to)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_is_fit_and_does_not_depend_on_order(world in world(), pick in any::<usize>(), by in any::<usize>()) {
        let director = world.directors[pick % world.directors.len()].name.clone();
        let server = world.adapters.first().map_or(super::world::name("s0"), |it| it.server.clone());
        let view = world.view();
        let others = plans(&shuffled(&view, by), &director, &server);
        // To a plan that takes adapters away from a director, that director is as good as drained.
        let mut without = world.clone();
        without.director(director.as_str()).admin_state = AdminState::Drained;
        for ((plan, leaves), (again, _)) in plans(&view, &director, &server).into_iter().zip(others) {
            check_moves(if leaves { &without } else { &world }, &plan.moves)?;
            prop_assert_eq!(&plan.stranded, &again.stranded);
            prop_assert_eq!(&plan.successors, &again.successors);
            let mut moves = again.moves;
            moves.sort_by_key(|it| it.adapter);
            prop_assert_eq!(&plan.moves, &moves);
        }
    }

    #[test]
    fn a_refresh_leaves_nothing_to_do_and_nobody_behind(mut world in world()) {
        let before = world.clone();
        let plan = refresh(&world.view());
        for it in &plan.successors {
            prop_assert_eq!(&it.to, &before.adapter(it.adapter).home.director);
            if let Some(home) = &it.to {
                check_successors(&before, it, home)?;
            }
        }
        world.apply(&plan);
        for adapter in world.adapters.iter().filter(|it| it.used == Use::Carried) {
            let stranded = plan.stranded.contains(&adapter.id);
            prop_assert_eq!(stranded, !keeps(&world, adapter), "{:?}", adapter);
            prop_assert!(!stranded || world.candidates(adapter).is_empty(), "could be carried: {:?}", adapter);
        }
        let second = refresh(&world.view());
        prop_assert!(second.is_empty(), "{:?}", second);
    }

    #[test]
    fn a_refresh_is_sticky(world in world()) {
        for it in refresh(&world.view()).moves {
            prop_assert!(!keeps(&world, world.adapter(it.adapter)), "moved without need: {:?}", it);
        }
    }

    #[test]
    fn adapters_in_release_and_idle_ones_are_left_alone(world in world(), pick in any::<usize>()) {
        let director = &world.directors[pick % world.directors.len()].name;
        let view = world.view();
        for plan in [refresh(&view), rebalance(&view), on_director_lost(&view, director), drain(&view, director)] {
            let named = plan.moves.iter().chain(&plan.successors).map(|it| it.adapter).chain(plan.stranded);
            for adapter in named {
                prop_assert_eq!(world.adapter(adapter).used, Use::Carried);
            }
        }
    }

    #[test]
    fn a_lost_or_drained_director_keeps_only_what_nobody_else_can_carry(mut world in world(), pick in any::<usize>(), lost: bool) {
        let pick = pick % world.directors.len();
        let director = world.directors[pick].name.clone();
        let plan = if lost { on_director_lost(&world.view(), &director) } else { drain(&world.view(), &director) };
        for it in &plan.moves {
            prop_assert_eq!(world.adapter(it.adapter).home.director.as_ref(), Some(&director), "others are not touched");
        }
        prop_assert!(plan.successors.is_empty());
        if lost { world.directors[pick].standing = Standing::Lost } else { world.directors[pick].admin_state = AdminState::Drained }
        world.apply(&plan);
        for adapter in world.adapters.iter().filter(|it| it.used == Use::Carried) {
            let here = adapter.home.director.as_ref() == Some(&director);
            prop_assert_eq!(here, plan.stranded.contains(&adapter.id));
            prop_assert!(!here || world.candidates(adapter).is_empty());
        }
        for it in &plan.moves {
            let adapter = world.adapter(it.adapter);
            let better = world.directors.iter().find(|it| improvement(&world, adapter, &it.name));
            prop_assert!(better.is_none(), "{:?} would be better at {:?}", adapter, better);
        }
    }

    #[test]
    fn lost_paths_move_only_that_server_and_only_to_where_it_gets(world in world(), pick in any::<usize>()) {
        let director = &world.directors[pick % world.directors.len()].name;
        let server = super::world::name("s1");
        let plan = on_paths_lost(&world.view(), &server, director);
        let reached = world.reach.directors_of(&server);
        prop_assert!(plan.moves.is_empty() || reached.is_some_and(|it| !it.contains(director)), "a loss that healed");
        for it in &plan.moves {
            let adapter = world.adapter(it.adapter);
            prop_assert_eq!((&adapter.server, adapter.home.director.as_ref()), (&server, Some(director)));
            prop_assert!(reached.unwrap().contains(it.to.as_ref().unwrap()) && it.to.as_ref() != Some(director));
        }
    }

    #[test]
    fn a_rebalance_ends_even_and_empties_spares(mut world in world()) {
        let plan = rebalance(&world.view());
        world.apply(&plan);
        prop_assert_eq!(rebalance(&world.view()).moves, vec![]);
        for adapter in world.adapters.iter().filter(|it| it.used == Use::Carried && fits_where_it_is(&world, it)) {
            let home = adapter.home.director.clone().unwrap();
            let candidates = world.candidates(adapter);
            prop_assert!(candidates.is_empty() || candidates.contains(&home), "left on a spare: {:?}", adapter);
            let better = world.directors.iter().find(|it| improvement(&world, adapter, &it.name));
            prop_assert!(better.is_none(), "{:?} would be better at {:?}", adapter, better);
        }
    }

    #[test]
    fn alike_directors_end_within_one_with_the_fewest_moves(
        directors in 1..6usize, vnics in 1..5usize, homes in proptest::collection::vec(any::<usize>(), 1..60),
    ) {
        let mut world = World::uniform(directors, homes.len().div_ceil(vnics), vnics);
        world.adapters.truncate(homes.len());
        for (adapter, home) in world.adapters.iter_mut().zip(&homes) {
            adapter.home.director = Some(super::world::name(format!("d{}", home % directors + 1)));
        }
        let fewest = fewest_moves(world.loads().values().copied().collect());
        let plan = rebalance(&world.view());
        world.apply(&plan);
        prop_assert_eq!(plan.moves.len() as i64, fewest);
        prop_assert!(gap(&world) <= 1);
    }

    #[test]
    fn what_is_placed_on_alike_directors_is_even_and_spread(directors in 1..6usize, servers in 1..30usize, vnics in 1..7usize) {
        let mut world = World::uniform(directors, servers, vnics);
        let moves = place(&world.view(), &world.view().adapters);
        prop_assert_eq!(moves.len(), servers * vnics);
        world.change(&moves);
        prop_assert!(gap(&world) <= 1);
        for adapter in &world.adapters {
            let home = adapter.home.director.as_ref().unwrap();
            prop_assert!(world.spread(&adapter.server, home) <= vnics.div_ceil(directors));
        }
    }

    /// The lists of successors share the heritage out: whoever is lost, most of its adapters go to their first successor,
    /// and the others end even. (With more directors and several vNICs a server, keeping those apart may cost some evenness.)
    #[test]
    fn after_the_loss_of_one_of_alike_directors_the_others_are_even(
        (directors, vnics) in prop_oneof![(Just(3usize), 1..5usize), (2..7usize, Just(1usize))],
        servers in 1..30usize,
        pick in any::<usize>(),
    ) {
        let mut world = World::uniform(directors, servers, vnics).settled();
        let lost = world.directors.remove(pick % directors).name;
        let plan = on_director_lost(&world.view(), &lost);
        let inherited = |it: &&HomeMove| it.to.as_ref() == world.adapter(it.adapter).home.successors.first();
        let share = plan.moves.iter().filter(inherited).count();
        prop_assert!(share * 4 >= plan.moves.len() * 3, "{share} of {}", plan.moves.len());
        world.apply(&plan);
        prop_assert!(gap(&world) <= 1, "{:?}", world.loads());
    }
}

/// A home that may keep the adapter: doubted directors may, lost ones may not.
fn keeps(world: &World, adapter: &super::world::Adapter) -> bool {
    let mut hopeful = world.clone();
    for director in hopeful.directors.iter_mut().filter(|it| it.standing == Standing::Doubted) {
        director.standing = Standing::Trusted;
    }
    fits_where_it_is(&hopeful, adapter)
}

fn fits_where_it_is(world: &World, adapter: &super::world::Adapter) -> bool {
    let home = world.directors.iter().find(|it| Some(&it.name) == adapter.home.director.as_ref());
    home.is_some_and(|it| world.fits(it, adapter))
}

fn gap(world: &World) -> i64 {
    let loads = world.loads();
    loads.values().max().unwrap() - loads.values().min().unwrap()
}

/// Fullest directors keep the odd ones: what is above their share must go.
fn fewest_moves(mut loads: Vec<i64>) -> i64 {
    loads.sort_by_key(|it| std::cmp::Reverse(*it));
    let (total, count) = (loads.iter().sum::<i64>(), loads.len() as i64);
    let share = |at: usize| total / count + i64::from((at as i64) < total % count);
    loads.iter().enumerate().map(|(at, load)| (load - share(at)).max(0)).sum()
}
