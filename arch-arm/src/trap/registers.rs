//! The registers of interrupted code, as the exception stubs save them, and how they print.
//!
//! The report has the form of a Linux oops, which whoever debugs ARM can read at sight.
//!
//! Invariant: the layout is what `stubs.rs` stores; its assembly takes every offset from here.

use core::fmt;

/// All that an exception interrupted.
///
/// sp and lr are those of the interrupted mode; of user mode when `psr` says user or system. After
/// an exception that was taken in its own mode, as an `svc` executed in SVC mode, the hardware has
/// overwritten lr: it equals the return address then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct TrapFrame {
    /// r0 to r12; r11 is the frame pointer fp, r12 is ip.
    pub r: [u32; 13],
    /// Stack pointer.
    pub sp: u32,
    /// Link register.
    pub lr: u32,
    /// The instruction that the exception is about; see [`super`].
    pub pc: u32,
    /// Program status before the exception.
    pub psr: Psr,
}

const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(TrapFrame, r) == 0);
    assert!(offset_of!(TrapFrame, sp) == 52);
    assert!(offset_of!(TrapFrame, lr) == 56);
    assert!(offset_of!(TrapFrame, pc) == 60);
    assert!(offset_of!(TrapFrame, psr) == 64);
    assert!(size_of::<TrapFrame>() == 68 && align_of::<TrapFrame>() == 4);
};

impl TrapFrame {
    /// All registers 0.
    pub const ZERO: Self = Self { r: [0; 13], sp: 0, lr: 0, pc: 0, psr: Psr::new(0) };

    /// The registers here and now, for a back-trace that begins with the calling function. What r0 to
    /// r3 and r12 hold is the compiler's business.
    #[cfg(target_arch = "arm")]
    #[inline(always)]
    #[must_use]
    pub fn here() -> Self {
        let mut frame = Self::ZERO;
        // SAFETY: the stores stay in the frame: 13 words, then sp, lr, pc and psr, at the offsets that
        // are asserted above. The operands have registers of their own, which the compiler may not
        // choose: it might take lr, and then the frame's lr would be the frame's address.
        unsafe {
            core::arch::asm!(
                "stmia  r0, {{r0-r12}}",
                "str    sp, [r0, #52]",
                "str    lr, [r0, #56]",
                "mov    r1, pc",
                "str    r1, [r0, #60]",
                "mrs    r1, cpsr",
                "str    r1, [r0, #64]",
                in("r0") &raw mut frame,
                out("r1") _,
                options(nostack, preserves_flags),
            );
        }
        frame
    }
}

/// As Linux's `__show_regs` prints them, without the last line's end.
impl fmt::Display for TrapFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, fp, ip] = self.r;
        let Self { sp, lr, pc, psr, .. } = self;
        writeln!(f, "pc : [<{pc:08x}>]    lr : [<{lr:08x}>]    psr: {:08x}", psr.0)?;
        writeln!(f, "sp : {sp:08x}  ip : {ip:08x}  fp : {fp:08x}")?;
        writeln!(f, "r10: {r10:08x}  r9 : {r9:08x}  r8 : {r8:08x}")?;
        writeln!(f, "r7 : {r7:08x}  r6 : {r6:08x}  r5 : {r5:08x}  r4 : {r4:08x}")?;
        writeln!(f, "r3 : {r3:08x}  r2 : {r2:08x}  r1 : {r1:08x}  r0 : {r0:08x}")?;
        write!(f, "Flags: {psr}")
    }
}

/// A processor mode, from the low five bits of a program status register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// User: the only one that is not privileged.
    User,
    /// Fast interrupt.
    Fiq,
    /// Interrupt.
    Irq,
    /// Supervisor: the kernel runs here.
    Svc,
    /// Secure monitor.
    Monitor,
    /// Abort.
    Abort,
    /// Hypervisor.
    Hyp,
    /// Undefined instruction.
    Undefined,
    /// System: privileged, with the registers of user mode.
    System,
}

/// A program status register, CPSR or SPSR.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Psr(u32);

impl Psr {
    const N: u32 = 1 << 31;
    const Z: u32 = 1 << 30;
    const C: u32 = 1 << 29;
    const V: u32 = 1 << 28;
    const J: u32 = 1 << 24;
    const A: u32 = 1 << 8;
    const I: u32 = 1 << 7;
    const F: u32 = 1 << 6;
    /// Thumb state.
    pub(super) const T: u32 = 1 << 5;
    pub(super) const MODE_MASK: u32 = 0x1f;

    /// From a register's value.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The register's value.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// The mode; `None` for a number that is none (*ARM DDI 0406C, B1.3.1*).
    #[must_use]
    pub const fn mode(self) -> Option<Mode> {
        Some(match self.0 & Self::MODE_MASK {
            0x10 => Mode::User,
            0x11 => Mode::Fiq,
            0x12 => Mode::Irq,
            0x13 => Mode::Svc,
            0x16 => Mode::Monitor,
            0x17 => Mode::Abort,
            0x1a => Mode::Hyp,
            0x1b => Mode::Undefined,
            0x1f => Mode::System,
            _ => return None,
        })
    }

    /// The flags, instruction set and byte order of this one, in user mode, with IRQs on and FIQs
    /// and asynchronous aborts masked, as the kernel keeps them.
    #[must_use]
    pub const fn to_user(self) -> Self {
        const KEPT: u32 = 0xf80f_0000 // N Z C V Q, GE
            | 0x0600_fc00 // IT: the condition of Thumb instructions to come
            | 1 << 9 // E
            | Psr::T;
        Self(self.0 & KEPT | Self::A | Self::F | 0x10)
    }

    /// Is the instruction set Thumb?
    #[must_use]
    pub const fn is_thumb(self) -> bool {
        self.0 & Self::T != 0
    }

    /// Are interrupts masked?
    #[must_use]
    pub const fn is_irq_masked(self) -> bool {
        self.0 & Self::I != 0
    }
}

/// As on the `Flags:` line of a Linux oops: condition flags in capitals when set, masks, mode and
/// instruction set.
impl fmt::Display for Psr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_set = |bit: u32| self.0 & bit != 0;
        let flag = |bit, letter: char| {
            if is_set(bit) { letter } else { letter.to_ascii_lowercase() }
        };
        let on_off = |mask| if is_set(mask) { "off" } else { "on" };
        let instruction_set = match (is_set(Self::J), is_set(Self::T)) {
            (false, false) => "ARM",
            (false, true) => "Thumb",
            (true, false) => "Jazelle",
            (true, true) => "ThumbEE",
        };
        write!(
            f,
            "{}{}{}{}  IRQs {}  FIQs {}  Mode ",
            flag(Self::N, 'N'),
            flag(Self::Z, 'Z'),
            flag(Self::C, 'C'),
            flag(Self::V, 'V'),
            on_off(Self::I),
            on_off(Self::F),
        )?;
        match self.mode() {
            Some(mode) => write!(f, "{mode}")?,
            None => write!(f, "UK{}_32", self.0 & 0xf)?,
        }
        write!(f, "  ISA {instruction_set}")
    }
}

impl fmt::Debug for Psr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Psr({:#010x})", self.0)
    }
}

/// Linux's names, from the days when there were 26-bit modes as well.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "USER_32",
            Self::Fiq => "FIQ_32",
            Self::Irq => "IRQ_32",
            Self::Svc => "SVC_32",
            Self::Monitor => "MON_32",
            Self::Abort => "ABT_32",
            Self::Hyp => "HYP_32",
            Self::Undefined => "UND_32",
            Self::System => "SYS_32",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_prints_as_linux_prints_it() {
        let frame = TrapFrame {
            r: core::array::from_fn(|n| 0x1000_0000 + n as u32),
            sp: 0xf080_1e30,
            lr: 0xc030_0294,
            pc: 0xc030_1780,
            psr: Psr::new(0x6000_0013),
        };
        assert_eq!(
            frame.to_string(),
            "pc : [<c0301780>]    lr : [<c0300294>]    psr: 60000013\n\
             sp : f0801e30  ip : 1000000c  fp : 1000000b\n\
             r10: 1000000a  r9 : 10000009  r8 : 10000008\n\
             r7 : 10000007  r6 : 10000006  r5 : 10000005  r4 : 10000004\n\
             r3 : 10000003  r2 : 10000002  r1 : 10000001  r0 : 10000000\n\
             Flags: nZCv  IRQs on  FIQs on  Mode SVC_32  ISA ARM"
        );
    }

    #[test]
    fn flags_follow_their_bits() {
        for (psr, text) in [
            (0x9000_01d3, "NzcV  IRQs off  FIQs off  Mode SVC_32  ISA ARM"),
            (0x6000_00b0, "nZCv  IRQs off  FIQs on  Mode USER_32  ISA Thumb"),
            (0x0100_0057, "nzcv  IRQs on  FIQs off  Mode ABT_32  ISA Jazelle"),
            (0x0000_0014, "nzcv  IRQs on  FIQs on  Mode UK4_32  ISA ARM"),
        ] {
            assert_eq!(Psr::new(psr).to_string(), text);
        }
    }

    #[test]
    fn user_mode_keeps_flags_instruction_set_and_byte_order() {
        assert_eq!(Psr::new(0).to_user(), Psr::new(0x150));
        let all = Psr::new(u32::MAX).to_user();
        // All but J and the reserved bits; mode user, IRQs on.
        assert_eq!(all, Psr::new(0xfe0f_ff70));
        assert_eq!(all.mode(), Some(Mode::User));
        assert!(!all.is_irq_masked());
        for bit in 0..32 {
            let psr = Psr::new(1 << bit).to_user();
            assert_eq!(psr.to_user(), psr);
            assert_eq!(psr.as_u32() & 0x1df, 0x150, "bit {bit} changes the mode or a mask");
        }
    }

    #[test]
    fn nine_of_the_32_mode_numbers_are_modes() {
        let modes: Vec<(u32, Mode)> =
            (0..32).filter_map(|n| Some((n, Psr::new(n | 0xffff_ffe0).mode()?))).collect();
        assert_eq!(
            modes,
            [
                (0x10, Mode::User),
                (0x11, Mode::Fiq),
                (0x12, Mode::Irq),
                (0x13, Mode::Svc),
                (0x16, Mode::Monitor),
                (0x17, Mode::Abort),
                (0x1a, Mode::Hyp),
                (0x1b, Mode::Undefined),
                (0x1f, Mode::System),
            ]
        );
    }
}
