//! Which operations `--only` means.

use std::fmt;

/// `--only` names nothing, or more than one thing where one was meant.
#[derive(Debug, PartialEq, Eq)]
pub struct NoSuchOperation {
    given: String,
    /// Names that begin with it.
    candidates: Vec<&'static str>,
}

impl fmt::Display for NoSuchOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given, candidates } = self;
        if candidates.is_empty() {
            write!(f, "no operation is called '{given}'. There are:")?;
            workload::names().iter().try_for_each(|name| write!(f, "\n  {name}"))
        } else {
            write!(f, "several operations begin with '{given}' (for all of them: '{given}*'):")?;
            candidates.iter().try_for_each(|name| write!(f, "\n  {name}"))
        }
    }
}

impl std::error::Error for NoSuchOperation {}

/// The operation with the name `text`, or all that match it as a pattern, or the one that begins with it.
pub fn select(text: &str) -> Result<Vec<&'static str>, NoSuchOperation> {
    let names = workload::names();
    let those = |matches: &dyn Fn(&str) -> bool| -> Vec<_> {
        names.into_iter().filter(|name| matches(name)).collect()
    };
    let found = match glob::Pattern::new(text) {
        Ok(pattern) => those(&|name| pattern.matches(name)),
        Err(_) => Vec::new(),
    };
    if !found.is_empty() {
        return Ok(found);
    }
    let candidates =
        if text.is_empty() { Vec::new() } else { those(&|name| name.starts_with(text)) };
    match candidates[..] {
        [_] => Ok(candidates),
        _ => Err(NoSuchOperation { given: text.to_owned(), candidates }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_pattern_or_a_beginning() {
        assert_eq!(select("page_o0_KERNEL").unwrap(), ["page_o0_KERNEL"], "though others begin so");
        assert_eq!(select("page_bulk").unwrap(), ["page_bulk32"]);
        assert_eq!(select("page_o?_KERNEL").unwrap().len(), 7);
        assert_eq!(select("*").unwrap(), workload::names());
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_names() {
        for bad in ["", "page_x", "KERNEL", "[", "page_o0_KERNEL "] {
            let error = select(bad).unwrap_err().to_string();
            assert!(error.starts_with("no operation is called"), "{error}");
            let last = workload::names().last().copied().unwrap();
            assert!(error.ends_with(&format!("\n  {last}")), "{error}");
        }
        let error = select("page_o1").unwrap_err().to_string();
        assert!(error.contains("'page_o1*'):\n  page_o1_KERNEL\n"), "{error}");
    }
}
