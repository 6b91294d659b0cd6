//! What happens when: events in the order of their times, those of one moment in the order in which they were made.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Nanoseconds of the world's true time, which no machine in it knows.
pub type Nanos = u64;

pub const MICRO: Nanos = 1_000;
pub const MILLI: Nanos = 1_000_000;
pub const SECOND: Nanos = 1_000_000_000;

#[derive(Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Due<E>>,
    made: u64,
}

#[derive(Debug)]
struct Due<E> {
    at: Nanos,
    number: u64,
    event: E,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), made: 0 }
    }
}

impl<E> Queue<E> {
    pub fn push(&mut self, at: Nanos, event: E) {
        self.made += 1;
        self.heap.push(Due { at, number: self.made, event });
    }

    pub fn pop(&mut self) -> Option<(Nanos, E)> {
        self.heap.pop().map(|it| (it.at, it.event))
    }
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Due<E> {}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The heap gives the greatest first: that is the earliest.
impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_first_and_of_one_moment_the_older_first() {
        let mut queue = Queue::default();
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            queue.push(at, event);
        }
        let order: Vec<char> = std::iter::from_fn(|| queue.pop()).map(|(_, it)| it).collect();
        assert_eq!(order, ['a', 'b', 'c', 'd']);
    }
}
