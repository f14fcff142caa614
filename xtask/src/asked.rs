//! What a booted kernel is asked of its layout, and its answer.
//!
//! Invariant: an object counts only behind the echo of its own command.

use experiment::answer::Answer;
use experiment::predict;

const LAYOUT: &str = "layout --json";
const ACCOUNT: &str = "explain --json";

/// The commands, the last of which ends the boot.
pub fn commands() -> Vec<String> {
    [LAYOUT, ACCOUNT, "poweroff"].map(String::from).to_vec()
}

/// What the two commands printed, in all that was.
pub fn answer(text: &str) -> Result<Answer, String> {
    let line = |command| {
        let (_, after) = text.split_once(&format!("vmsplit> {command}\n"))?;
        after.lines().take_while(|line| !line.starts_with("vmsplit> ")).find(|l| l.starts_with('{'))
    };
    let lines = line(LAYOUT).zip(line(ACCOUNT));
    let (layout, account) = lines.ok_or(format!("`{LAYOUT}`, `{ACCOUNT}` printed no object"))?;
    predict::read(layout, account).map_err(|error| format!("an answer of an unknown form: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_those_behind_their_commands() {
        let no_object = answer("{}\nvmsplit> layout --json\nvmsplit> explain --json\n{}\n");
        assert!(no_object.unwrap_err().contains("printed no object"));
        let unknown = answer("vmsplit> layout --json\n{}\nvmsplit> explain --json\n{}\n");
        assert!(unknown.unwrap_err().contains("missing field `page_offset`"));
    }
}
