//! The comparison as a page of text, and as one JSON object.

use std::fmt::Write as _;

use comfy_table::{Table, presets};
use experiment::answer::Answer;
use serde::Serialize;
use serde_json::{Value, json};

use super::compare::{Mark, Row};
use super::{boot, ours};

/// Columns of the notes below the table.
const WIDTH: usize = 100;

/// Lines of Linux's log that say something about the layout begin so.
const MESSAGES: [&str; 9] = [
    "vmalloc area",
    "OF: fdt: Ignoring memory",
    "OF: fdt: Reserved memory: failed",
    "Ignoring RAM",
    "Ignoring memory",
    "Truncating RAM",
    "Malformed early option",
    "INITRD:",
    "Consider using a HIGHMEM enabled kernel",
];

/// All there is to say.
#[derive(Clone, Copy)]
pub struct Comparison<'a> {
    /// RAM, for QEMU.
    pub memory: &'a str,
    /// What the user added to both command lines.
    pub append: &'a str,
    /// Linux's whole command line.
    pub command_line: &'a str,
    /// Linux's side.
    pub linux: &'a boot::Boot,
    /// Our split.
    pub split: &'a str,
    /// Our side.
    pub ours: &'a ours::Boot,
    /// Fact by fact.
    pub rows: &'a [Row],
}

/// What Linux's log says about the layout.
pub fn messages(console: &str) -> Vec<&str> {
    let lines = console.lines().map(|line| boot::without_time(line.trim_end()));
    lines.filter(|line| MESSAGES.iter().any(|begin| line.starts_with(begin))).collect()
}

impl Comparison<'_> {
    fn answer(&self) -> Option<&Answer> {
        match &self.ours.end {
            ours::End::Told(answer) => Some(answer),
            ours::End::Failed(_) | ours::End::TimedOut(_) => None,
        }
    }

    /// How Linux's boot ended: a word, and the reason if there is one.
    fn linux_end(&self) -> (&'static str, Option<String>) {
        match &self.linux.end {
            boot::End::Told(_) => ("told", None),
            boot::End::Died(reason) => ("died", Some(reason.clone())),
            boot::End::TimedOut => ("timed_out", Some(self.silence())),
            boot::End::Gone(how) => ("gone", Some(how.clone())),
        }
    }

    fn silence(&self) -> String {
        let after = format!("{} s", self.linux.took.as_secs());
        if self.linux.console.trim().is_empty() {
            format!(
                "it printed nothing at all in {after}: it died before its first word, or is not for this board"
            )
        } else {
            format!("it was not done after {after}")
        }
    }

    fn ours_end(&self) -> (&'static str, Option<String>) {
        match &self.ours.end {
            ours::End::Told(_) => ("told", None),
            ours::End::Failed(reason) => ("failed", Some(reason.clone())),
            ours::End::TimedOut(at) => ("timed_out", Some(format!("was still waiting for {at}"))),
        }
    }

    /// The page.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A `String` takes all that is written to it.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let quoted = if self.append.is_empty() { "nothing" } else { self.append };
        writeln!(out, "-m {}, command line: {quoted}", self.memory)?;
        match &self.linux.end {
            boot::End::Told(told) => {
                writeln!(out, "Linux {} {}", told.said.release, told.said.version)?;
            }
            _ => self.write_death(out)?,
        }
        match self.ours_end() {
            (_, None) => writeln!(out, "vmsplit, split {}", self.split)?,
            (_, Some(reason)) => writeln!(out, "vmsplit, split {}: FAILED: {reason}", self.split)?,
        }
        if !self.rows.is_empty() {
            writeln!(out)?;
            out.push_str(&self.table());
        }
        self.write_messages(out)?;
        self.write_notes(out)
    }

    fn write_death(&self, out: &mut String) -> std::fmt::Result {
        let (word, reason) = self.linux_end();
        let word = if word == "died" { "DIED" } else { "gave nothing" };
        writeln!(out, "Linux {word}: {}", reason.as_deref().unwrap_or_default())?;
        for line in boot::last_words(&self.linux.console, reason.as_deref()) {
            writeln!(out, "    | {line}")?;
        }
        Ok(())
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        let linux_tells = self.rows.iter().any(|row| row.linux.is_some());
        let header: &[&str] =
            if linux_tells { &["", "Linux", "", "vmsplit"] } else { &["", "vmsplit"] };
        table.load_style(presets::NOTHING).set_header(header);
        for row in self.rows {
            let show = |value: &Option<_>| {
                value.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string)
            };
            let (linux, ours) = (show(&row.linux), show(&row.ours));
            let name = row.fact.name();
            if linux_tells {
                table.add_row([name, &linux, row.mark.sign(), &ours]);
            } else {
                table.add_row([name, &ours]);
            }
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
    }

    fn write_messages(&self, out: &mut String) -> std::fmt::Result {
        let ours =
            self.answer().map(|answer| answer.layout.warnings.as_slice()).unwrap_or_default();
        let linux = messages(&self.linux.console);
        if !linux.is_empty() || !ours.is_empty() {
            writeln!(out, "\nMessages:")?;
        }
        linux.iter().try_for_each(|line| writeln!(out, "  Linux    {line}"))?;
        ours.iter().try_for_each(|line| writeln!(out, "  vmsplit  {line}"))
    }

    fn write_notes(&self, out: &mut String) -> std::fmt::Result {
        let of = |mark: Mark| self.rows.iter().filter(move |row| row.mark == mark);
        if of(Mark::Equal).next().is_none() {
            return Ok(());
        }
        let (equal, differ) = (of(Mark::Equal).count(), of(Mark::Differs).count());
        let unknown = of(Mark::Unknown).count();
        writeln!(
            out,
            "\n{equal} equal, {differ} different, {unknown} that one side does not tell."
        )?;
        let mut said: Vec<&str> = Vec::new();
        for why in of(Mark::Differs).filter_map(|row| row.why) {
            if said.contains(&why) {
                continue;
            }
            said.push(why);
            let names = self.names(|row| row.why == Some(why));
            out.push_str(&wrapped(&format!("≠ {names}: {why}.")));
        }
        if of(Mark::Differs).any(|row| row.why.is_none()) {
            let names = self.names(|row| row.mark == Mark::Differs && row.why.is_none());
            out.push_str(&wrapped(&format!("≠ {names}: no reason for this is known.")));
        }
        if let boot::End::Told(told) = &self.linux.end
            && let Err(why) = &told.tables
        {
            out.push_str(&wrapped(&format!("? Linux's page tables were not read: {why}.")));
        }
        Ok(())
    }

    /// The names of the rows that are `wanted`.
    fn names(&self, wanted: impl Fn(&Row) -> bool) -> String {
        let rows = self.rows.iter().filter(|row| wanted(row));
        let names: Vec<_> = rows.map(|row| row.fact.full_name()).collect();
        names.join(", ")
    }

    /// The object.
    pub fn json(&self) -> serde_json::Result<Value> {
        let (linux_end, linux_reason) = self.linux_end();
        let (ours_end, ours_reason) = self.ours_end();
        let (said, tables) = match &self.linux.end {
            boot::End::Told(told) => (Some(&told.said), told.tables.as_ref().ok()),
            _ => (None, None),
        };
        let lines = boot::last_words(&self.linux.console, linux_reason.as_deref());
        let last_lines = if said.is_some() { Vec::new() } else { lines };
        Ok(json!({
            "memory": self.memory,
            "append": self.append,
            "linux": side(linux_end, linux_reason, &json!({
                "command_line": self.command_line,
                "seconds": self.linux.took.as_secs_f32(),
                "said": said,
                "tables": tables,
                "messages": messages(&self.linux.console),
                "last_lines": last_lines,
            })),
            "vmsplit": side(ours_end, ours_reason, &json!({
                "split": self.split,
                "answer": self.answer().map(serde_json::to_value).transpose()?,
            })),
            "rows": serde_json::to_value(self.rows)?,
        }))
    }
}

/// `text` in lines of at most [`WIDTH`] columns, set in by two, and by two more from the second on.
fn wrapped(text: &str) -> String {
    let (mut out, mut columns) = (String::from("  "), 2);
    for (number, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if number > 0 && columns + 1 + length > WIDTH {
            out.push_str("\n    ");
            columns = 4;
        } else if number > 0 {
            out.push(' ');
            columns += 1;
        }
        out.push_str(word);
        columns += length;
    }
    out.push('\n');
    out
}

/// A side's object: how it ended, and `rest`.
fn side(end: &str, reason: Option<String>, rest: &impl Serialize) -> Value {
    let mut object = json!({ "end": end, "reason": reason });
    if let (Value::Object(object), Ok(Value::Object(rest))) =
        (&mut object, serde_json::to_value(rest))
    {
        object.extend(rest);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_wrapped() {
        let text = wrapped(&"word ".repeat(30));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(text.lines().count(), 2);
        assert_eq!(wrapped("≠ a"), "  ≠ a\n");
    }

    #[test]
    fn messages_about_the_layout_are_picked_out() {
        let console = "[    0.000000] vmalloc area is too small, limiting to 16MiB\r\n\
                       [    0.000000] Memory policy: Data cache writealloc\r\n\
                       [    0.000000] OF: fdt: Ignoring memory range 0x100000000 - 0x140000000\r\n";
        assert_eq!(
            messages(console),
            [
                "vmalloc area is too small, limiting to 16MiB",
                "OF: fdt: Ignoring memory range 0x100000000 - 0x140000000"
            ]
        );
    }
}
