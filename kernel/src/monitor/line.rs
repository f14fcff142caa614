//! Reading one line from the console: echo, backspace, Ctrl-U, Ctrl-C.

use core::fmt;

use crate::console::{self, print, println};

/// The longest line, in bytes.
const MAX: usize = 255;

const CTRL_C: u8 = 3;
const BACKSPACE: u8 = 8;
const CTRL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// The line being typed.
pub struct Buffer {
    bytes: [u8; MAX],
}

/// Why a line is no line.
pub enum LineError {
    /// Longer than [`MAX`].
    TooLong,
    /// Not UTF-8.
    NotText,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a line has at most {MAX} bytes"),
            Self::NotText => write!(f, "a line is UTF-8 text"),
        }
    }
}

impl Buffer {
    /// An empty line.
    pub const fn new() -> Self {
        Self { bytes: [0; MAX] }
    }

    /// Waits for a whole line, which ends with CR or LF. A line that is too long is read to its
    /// end and refused.
    pub fn read(&mut self) -> Result<&str, LineError> {
        let mut len = 0;
        let mut too_long = false;
        loop {
            match console::wait_for_byte() {
                b'\r' | b'\n' => {
                    println!();
                    break;
                }
                CTRL_C => {
                    println!("^C");
                    (len, too_long) = (0, false);
                    break;
                }
                BACKSPACE | DELETE if len > 0 => {
                    len -= 1;
                    print!("\x08 \x08");
                }
                CTRL_U => {
                    for _ in 0..len {
                        print!("\x08 \x08");
                    }
                    (len, too_long) = (0, false);
                }
                byte if byte < b' ' || byte == DELETE => {}
                byte => match self.bytes.get_mut(len) {
                    Some(place) => {
                        *place = byte;
                        len += 1;
                        // Bytes of a longer character go back one by one, as they came.
                        console::write_byte(byte);
                    }
                    None => too_long = true,
                },
            }
        }
        if too_long {
            return Err(LineError::TooLong);
        }
        let line = self.bytes.get(..len).unwrap_or_default();
        core::str::from_utf8(line).map_err(|_| LineError::NotText)
    }
}
