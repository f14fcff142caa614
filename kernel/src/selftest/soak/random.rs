//! Numbers that look random, and requests made of them: the same ones for the same seed.

use mm::addr::Order;
use mm::zone::Gfp;

/// Marsaglia's xorshift, 32 bits.
pub struct Random(u32);

impl Random {
    /// The sequence of this seed.
    pub const fn new(seed: u32) -> Self {
        // It must not be 0; the multiplier spreads small seeds.
        Self(seed.wrapping_mul(0x9e37_79b9) | 1)
    }

    /// Any number but 0.
    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u32) -> u32 {
        (self.next() >> 4) % limit
    }

    /// Once in `times`.
    pub fn one_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// An order: each is half as frequent as the one below it.
    pub fn small_order(&mut self) -> Order {
        let order = (self.next() >> 8).trailing_zeros().min(Order::MAX.as_u8().into());
        Order::new(order as u8).unwrap_or_default()
    }

    /// An order: each is half as frequent as the one above it.
    pub fn large_order(&mut self) -> Order {
        Order::new(Order::MAX.as_u8() - self.small_order().as_u8()).unwrap_or_default()
    }

    /// Flags for a block of `order`. Most of them make sense. None has a failure reported.
    pub fn gfp(&mut self, order: Order) -> Gfp {
        if self.one_in(64) {
            return Gfp::from_bits_truncate(self.next()) | Gfp::__GFP_NOWARN;
        }
        let mut gfp = BASES[self.below(BASES.len() as u32) as usize];
        for flag in [Gfp::__GFP_RECLAIMABLE, Gfp::__GFP_MOVABLE] {
            if self.one_in(8) {
                gfp |= flag;
            }
        }
        if self.one_in(8) {
            gfp |= MODIFIERS[self.below(MODIFIERS.len() as u32) as usize];
        }
        // To zero the largest blocks takes a million instructions.
        if self.one_in(if order <= Order::COSTLY { 8 } else { 512 }) {
            gfp |= Gfp::__GFP_ZERO;
        }
        gfp | Gfp::__GFP_NOWARN
    }
}

/// What requests are made of.
const BASES: [Gfp; 16] = [
    Gfp::GFP_KERNEL,
    Gfp::GFP_KERNEL,
    Gfp::GFP_KERNEL,
    Gfp::GFP_KERNEL_ACCOUNT,
    Gfp::GFP_ATOMIC,
    Gfp::GFP_ATOMIC,
    Gfp::GFP_NOWAIT,
    Gfp::GFP_NOIO,
    Gfp::GFP_NOFS,
    Gfp::GFP_USER,
    Gfp::GFP_HIGHUSER,
    Gfp::GFP_HIGHUSER_MOVABLE,
    Gfp::GFP_HIGHUSER_MOVABLE,
    Gfp::GFP_TRANSHUGE,
    Gfp::GFP_KERNEL.union(Gfp::GFP_DMA),
    Gfp::GFP_ATOMIC.union(Gfp::GFP_DMA),
];

/// What is said in addition.
const MODIFIERS: [Gfp; 8] = [
    Gfp::__GFP_HIGH,
    Gfp::__GFP_NORETRY,
    Gfp::__GFP_RETRY_MAYFAIL,
    Gfp::__GFP_NOFAIL,
    Gfp::__GFP_COMP,
    Gfp::__GFP_NOMEMALLOC,
    Gfp::__GFP_MEMALLOC,
    Gfp::GFP_DMA32,
];
