//! `.modinfo`: strings `tag=value`, which our headers' macros write (`MODULE_LICENSE`,
//! `MODULE_PARM_DESC` and so on), each with its NUL.
//!
//! What is not such a string is passed over: the section is for readers.

use core::{iter, str};

use super::section::Section;

/// Tags and values of `.modinfo`, from [`Object::info`](super::Object::info).
#[derive(Clone, Debug)]
pub struct Info<'o, 'f> {
    sections: &'o [Section<'f>],
    rest: &'f [u8],
}

impl<'o, 'f> Info<'o, 'f> {
    /// How many parameters are shown.
    pub const MAX_PARAMETERS: usize = 128;

    pub(super) const fn new(sections: &'o [Section<'f>]) -> Self {
        Self { sections, rest: &[] }
    }

    /// The parameters that the object declares: each one's name, its type as C has it, and its
    /// description, which is empty when it has none.
    ///
    /// The tags are `parmtype=name:type` and `parm=name:text`. An object with more than
    /// [`MAX_PARAMETERS`](Self::MAX_PARAMETERS) has the others left out, since each one's
    /// description is searched.
    pub fn parameters(&self) -> impl Iterator<Item = (&'f str, &'f str, &'f str)> + use<'o, 'f> {
        let all = self.clone();
        let types = all.clone().filter(|(tag, _)| *tag == "parmtype").take(Self::MAX_PARAMETERS);
        types.filter_map(|(_, value)| value.split_once(':')).map(move |(name, kind)| {
            let mut texts = all.clone().filter(|(tag, _)| *tag == "parm");
            let text = texts.find_map(|(_, value)| {
                value.split_once(':').filter(|(about, _)| *about == name).map(|(_, text)| text)
            });
            (name, kind, text.unwrap_or_default())
        })
    }
}

impl<'f> Iterator for Info<'_, 'f> {
    type Item = (&'f str, &'f str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while self.rest.is_empty() {
                let (section, sections) = self.sections.split_first()?;
                self.sections = sections;
                if section.name == ".modinfo" {
                    self.rest = section.bytes;
                }
            }
            let end = self.rest.iter().position(|&byte| byte == 0);
            let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            self.rest = rest.get(1..).unwrap_or_default();
            if let Some(pair) = str::from_utf8(text).ok().and_then(|text| text.split_once('=')) {
                return Some(pair);
            }
        }
    }
}

impl iter::FusedIterator for Info<'_, '_> {}
