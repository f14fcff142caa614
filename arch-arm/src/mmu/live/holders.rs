//! Who holds what a mebibyte is mapped by.
//!
//! A byte for each first-level entry. A second-level table is linked while somebody holds it, and goes with the
//! last holder. Three values are no counts: tables that stay whatever happens, tables that stand for a section that
//! was split, and mebibytes of the linear map that were taken out of it.
//!
//! Invariant: a mebibyte that is counted has a table, and the same one for as long as the count is not 0.

/// The holders of one mebibyte's table, or what else it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Holders(u8);

/// What a mebibyte has become by a holder less.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// The table stays: others hold it, or it is for good.
    Held,
    /// Nobody holds the table: it is to be unlinked.
    Nobody,
}

impl Holders {
    /// Nobody holds a table.
    pub(super) const NONE: Self = Self(0);
    /// The table was made by boot, and stays.
    pub(super) const FOR_GOOD: Self = Self(u8::MAX);
    /// The table maps the 256 pages of a section that was split.
    pub(super) const SPLIT: Self = Self(u8::MAX - 1);
    /// A section of the linear map that was taken out of it.
    pub(super) const TAKEN_OUT: Self = Self(u8::MAX - 2);
    /// More are not counted.
    const MOST: u8 = u8::MAX - 3;

    /// One more holds the table. Beyond the count it stays for good: 253 areas in one mebibyte would have no
    /// page between them.
    pub(super) fn hold(&mut self) {
        match self.0 {
            Self::MOST => *self = Self::FOR_GOOD,
            count if count < Self::MOST => self.0 = count + 1,
            _ => {}
        }
    }

    /// One fewer holds the table. The last holder of what was a section takes the split with it.
    pub(super) fn let_go(&mut self) -> Left {
        match *self {
            Self::FOR_GOOD | Self::TAKEN_OUT | Self::NONE => return Left::Held,
            Self::SPLIT => *self = Self::NONE,
            _ => self.0 -= 1,
        }
        if *self == Self::NONE { Left::Nobody } else { Left::Held }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_lets_the_table_go() {
        let mut holders = Holders::NONE;
        holders.hold();
        holders.hold();
        assert_eq!(holders.let_go(), Left::Held);
        assert_eq!(holders.let_go(), Left::Nobody);
        assert_eq!(holders, Holders::NONE);
        assert_eq!(holders.let_go(), Left::Held, "there is none to unlink");
    }

    #[test]
    fn what_is_for_good_is_not_counted() {
        let mut holders = Holders::FOR_GOOD;
        holders.hold();
        assert_eq!((holders.let_go(), holders), (Left::Held, Holders::FOR_GOOD));
        let mut split = Holders::SPLIT;
        assert_eq!((split.let_go(), split), (Left::Nobody, Holders::NONE));
    }

    #[test]
    fn too_many_to_count_keep_the_table_for_good() {
        let mut holders = Holders::NONE;
        (0..Holders::MOST).for_each(|_| holders.hold());
        assert_eq!(holders, Holders(Holders::MOST));
        holders.hold();
        assert_eq!(holders, Holders::FOR_GOOD);
    }
}
