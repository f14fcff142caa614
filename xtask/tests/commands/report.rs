//! `report` of files that are no results: what is wrong with them is said before anything is built.

use crate::host::Host;
use std::fs;

#[test]
fn what_is_no_file_of_results_is_named() {
    let host = Host::new();
    for (text, code, message) in [
        (None, 2, "No such file"),
        (Some("{"), 1, "is no file of results"),
        (Some(r#"{"version":1,"kernel":"","rows":[{}]}"#), 1, "missing field `given`"),
        (Some(r#"{"version":7,"kernel":"","rows":[]}"#), 1, "is of version 7"),
    ] {
        let file = host.path("results.json");
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let outcome = host.run(&["report", file.to_str().unwrap()]);
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert!(outcome.stderr.contains(message), "{outcome:?}");
        assert!(!host.path("report.html").exists());
    }
}
