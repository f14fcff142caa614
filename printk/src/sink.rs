//! Where formatted bytes go, and how many there would have been.

/// Takes formatted bytes, as many as it has room for.
pub trait Sink {
    /// Takes the next byte. `false` if there was no room for it: then it is offered no more.
    fn put(&mut self, byte: u8) -> bool;

    /// What becomes of the text once the sink is full.
    fn rest(&self) -> Rest {
        Rest::Counted
    }
}

/// What becomes of the text that a sink has no room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// It is formatted and counted, as `snprintf` must.
    Counted,
    /// Nothing: formatting ends.
    Dropped,
}

/// The greatest count: what C can return.
const MAX_COUNT: u32 = i32::MAX as u32;

/// A sink, and a count of what it was and would have been given.
pub(crate) struct Output<'s> {
    sink: &'s mut dyn Sink,
    is_full: bool,
    count: u32,
}

impl<'s> Output<'s> {
    pub(crate) fn new(sink: &'s mut dyn Sink) -> Self {
        Self { sink, is_full: false, count: 0 }
    }

    /// How many bytes the text has so far, at most `i32::MAX`.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Would no more text make a difference?
    pub(crate) fn is_over(&self) -> bool {
        self.count >= MAX_COUNT || (self.is_full && self.sink.rest() == Rest::Dropped)
    }

    pub(crate) fn put(&mut self, byte: u8) {
        self.fill(byte, 1);
    }

    /// `byte`, so many times. What there is no room for takes no time.
    pub(crate) fn fill(&mut self, byte: u8, times: u32) {
        for _ in 0..times {
            if self.is_full {
                break;
            }
            self.is_full = !self.sink.put(byte);
        }
        self.count = self.count.saturating_add(times).min(MAX_COUNT);
    }
}

/// A buffer that ends with a NUL, however long the text is: `snprintf`'s.
#[derive(Debug)]
pub struct Buffer<'b> {
    bytes: &'b mut [u8],
    len: usize,
}

impl<'b> Buffer<'b> {
    /// Over `bytes`, the last of which that is used becomes a NUL. It may be empty.
    #[must_use]
    pub fn new(bytes: &'b mut [u8]) -> Self {
        let mut buffer = Self { bytes, len: 0 };
        buffer.terminate();
        buffer
    }

    /// The text, without the NUL.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn terminate(&mut self) {
        if let Some(end) = self.bytes.get_mut(self.len) {
            *end = 0;
        }
    }
}

impl Sink for Buffer<'_> {
    fn put(&mut self, byte: u8) -> bool {
        // The place and the one behind it, for the NUL.
        let Some([place, end]) = self.bytes.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut)
        else {
            return false;
        };
        (*place, *end) = (byte, 0);
        self.len += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_holds_one_byte_less_and_a_nul() {
        for (size, text) in [(0, ""), (1, ""), (2, "a"), (3, "ab"), (4, "abc"), (9, "abc")] {
            let mut bytes = [0xee; 10];
            let mut buffer = Buffer::new(&mut bytes[..size]);
            let mut out = Output::new(&mut buffer);
            b"abc".iter().for_each(|&byte| out.put(byte));
            assert_eq!((out.count(), out.is_over()), (3, false));
            assert_eq!(buffer.text(), text.as_bytes());
            if size > 0 {
                assert_eq!(bytes[text.len()], 0);
            }
            assert!(bytes[size..].iter().all(|&byte| byte == 0xee));
        }
    }

    #[test]
    fn what_has_no_room_is_counted_at_once_and_not_beyond_an_int() {
        let mut bytes = [0; 4];
        let mut buffer = Buffer::new(&mut bytes);
        let mut out = Output::new(&mut buffer);
        out.fill(b'x', 0x7000_0000);
        assert_eq!((out.count(), out.is_over()), (0x7000_0000, false));
        out.fill(b'x', 0x7000_0000);
        assert_eq!((out.count(), out.is_over()), (0x7fff_ffff, true));
        assert_eq!(buffer.text(), b"xxx");
    }
}
