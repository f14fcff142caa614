//! Who is handed out next: whoever has been free for longest.
//!
//! So what is used after it was given back is found for as long as can be. A queue through the records, whose
//! `next` words name objects by their numbers, plus 1; 0 is none.

use super::record::Record;
use crate::sync::Ordering::Relaxed;

/// The free objects.
#[derive(Debug)]
pub(super) struct Quarantine {
    first: u32,
    last: u32,
    len: u32,
}

impl Quarantine {
    pub(super) const EMPTY: Self = Self { first: 0, last: 0, len: 0 };

    /// How many there are.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// An object that is on no queue has come back.
    pub(super) fn push(&mut self, records: &[Record], number: u32) {
        let Some(record) = records.get(number as usize) else { return };
        record.next.store(0, Relaxed);
        match self.last.checked_sub(1).and_then(|last| records.get(last as usize)) {
            Some(last) => last.next.store(number + 1, Relaxed),
            None => self.first = number + 1,
        }
        self.last = number + 1;
        self.len += 1;
    }

    /// The object that came back before all others.
    pub(super) fn pop(&mut self, records: &[Record]) -> Option<u32> {
        let number = self.first.checked_sub(1)?;
        self.first = records.get(number as usize)?.next.load(Relaxed);
        if self.first == 0 {
            self.last = 0;
        }
        self.len -= 1;
        Some(number)
    }

    /// The numbers, the next one first; no more than there are records.
    pub(super) fn iter<'r>(&self, records: &'r [Record]) -> impl Iterator<Item = u32> + use<'r> {
        let mut next = self.first;
        let walk = core::iter::from_fn(move || {
            let number = next.checked_sub(1)?;
            next = records.get(number as usize)?.next.load(Relaxed);
            Some(number)
        });
        walk.take(records.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn first_come_first_served() {
        let records: Vec<_> = (0..5).map(|_| Record::new()).collect();
        let (mut queue, mut model) = (Quarantine::EMPTY, VecDeque::new());
        for number in [3, 0, 4] {
            queue.push(&records, number);
            model.push_back(number);
        }
        for step in 0..40 {
            let popped = queue.pop(&records);
            assert_eq!(popped, model.pop_front());
            // Sometimes it runs empty.
            if step % 7 < 3 || model.is_empty() {
                for number in (0..5).filter(|number| step % 3 == 0 || Some(*number) == popped) {
                    if !model.contains(&number) {
                        queue.push(&records, number);
                        model.push_back(number);
                    }
                }
            }
            assert_eq!(queue.iter(&records).collect::<VecDeque<_>>(), model);
            assert_eq!(queue.len(), model.len() as u32);
        }
    }
}
