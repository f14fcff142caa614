//! The report and the explorer in Debian's chromium, as people use them: with a pointer, by keyboard alone, on a narrow
//! view, in the dark, on paper, with a screen reader, without scripts.
//!
//! The pages are made by `cargo xtask report`, of a small sweep, and `cargo xtask explore`. Each test has a browser of its own, and no page may log
//! anything or ask the network for anything. With `VMSPLIT_BLESS=1` the pictures in `docs/pictures` are made anew.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod access;
mod compare;
mod driver;
mod explore;
mod looks;
mod sample;
mod screenshots;
mod table;

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tests::xtask::xtask;

use driver::Driver;

/// What tests share.
pub struct Shared {
    driver: Driver,
    /// The page of [`sample::results`].
    report: String,
    /// The page without rows.
    explorer: String,
}

type Test = (&'static str, fn(&Shared));

const TESTS: [Test; 16] = [
    ("each column sorts both ways", table::each_column_sorts_both_ways),
    ("the filter shows what it says", table::the_filter_shows_what_it_says),
    ("two rows differ as the library says", compare::two_rows_differ_as_the_library_says),
    ("a row's link opens its section", compare::a_rows_link_opens_its_section),
    ("the page draws what the library predicts", explore::the_page_draws_what_the_library_predicts),
    ("what is wrong is said", explore::what_is_wrong_is_said),
    ("a link restores the settings", explore::a_link_restores_the_settings),
    ("sliders and texts follow each other", explore::sliders_and_texts_follow_each_other),
    ("text has contrast in light and dark", looks::text_has_contrast_in_light_and_dark),
    ("paper has the table and the open rows", looks::paper_has_the_table_and_the_open_rows),
    ("a narrow view is not wider than it is", looks::a_narrow_view_is_not_wider_than_it_is),
    ("labels of pictures are apart", looks::labels_of_pictures_are_apart),
    (
        "without scripts the table and the rows can be read",
        looks::without_scripts_the_table_and_the_rows_can_be_read,
    ),
    ("tab reaches every control, and shows it", access::tab_reaches_every_control_and_shows_it),
    ("all is done by keyboard alone", access::all_is_done_by_keyboard_alone),
    ("a screen reader is told everything", access::a_screen_reader_is_told_everything),
];

/// The address of the page that `cargo xtask` with these words makes.
fn page(folder: &Path, name: &str, words: &[&str]) -> String {
    let page = folder.join(format!("{name}.html"));
    let words = [words, &["--out", page.to_str().unwrap()]].concat();
    let output = xtask(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    format!("file://{}", page.display())
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A browser is several processes.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    if arguments.list {
        let trials = TESTS.iter().map(|(name, _)| Trial::test(*name, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results.json");
    fs::write(&results, serde_json::to_string(&sample::results()).unwrap()).unwrap();
    let shared = Arc::new(Shared {
        driver: Driver::start(),
        report: page(folder.path(), "report", &["report", results.to_str().unwrap()]),
        explorer: page(folder.path(), "explorer", &["explore"]),
    });
    if env::var_os("VMSPLIT_BLESS").is_some() {
        screenshots::renew(&shared);
    }
    let trials = TESTS.iter().map(|(name, test)| {
        let shared = Arc::clone(&shared);
        Trial::test(*name, move || {
            test(&shared);
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
