//! The functions that the headers in `include/` declare, and those that the kernel exports: the two
//! sides of one contract, each read from its own text.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// A module's own, which the headers declare for it.
const OF_THE_MODULE: [&str; 2] = ["init_module", "cleanup_module"];

/// The headers, as `#include` names them: `linux/slab.h`, `asm/io.h`.
///
/// # Errors
///
/// The folder can not be read.
pub fn headers(include: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in ["linux", "asm"] {
        for entry in fs::read_dir(include.join(folder))? {
            let file = entry?.file_name();
            names.push(format!("{folder}/{}", file.to_string_lossy()));
        }
    }
    names.sort();
    Ok(names)
}

/// The functions that the headers in `include` declare and do not define.
///
/// # Errors
///
/// A header can not be read.
pub fn declared(include: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for header in headers(include)? {
        names.extend(prototypes(&fs::read_to_string(include.join(header))?));
    }
    Ok(names)
}

/// The functions that a header declares and does not define.
fn prototypes(header: &str) -> Vec<String> {
    let text = without_comments(header);
    let mut names = Vec::new();
    let mut statement = String::new();
    let mut depth = 0;
    let mut in_directive = false;
    for line in text.lines() {
        let is_directive = in_directive || line.trim_start().starts_with('#');
        in_directive = is_directive && line.ends_with('\\');
        if is_directive {
            continue;
        }
        for letter in line.chars().chain([' ']) {
            match letter {
                '{' => depth += 1,
                '}' => {
                    depth -= 1;
                    statement.clear();
                }
                ';' if depth == 0 => {
                    names.extend(function(&statement));
                    statement.clear();
                }
                _ if depth == 0 => statement.push(letter),
                _ => {}
            }
        }
    }
    names.retain(|name| !OF_THE_MODULE.contains(&name.as_str()));
    names
}

fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, behind)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = behind.split_once("*/").map_or("", |(_, behind)| behind);
    }
    kept + rest
}

/// The function that a statement declares, if it does: a type, a name, and a parenthesis.
fn function(statement: &str) -> Option<String> {
    if statement.trim_start().starts_with("typedef") {
        return None;
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut from = 0;
    while let Some(open) = statement[from..].find('(').map(|at| from + at) {
        let before = statement[..open].trim_end();
        let name = &before[before.rfind(|c| !is_part(c)).map_or(0, |at| at + 1)..];
        let front = &before[..before.len() - name.len()];
        // An attribute or a macro has a parenthesis too, and no type in front.
        let has_type = front.trim_end().ends_with(|c: char| is_part(c) || c == '*');
        if has_type && !name.is_empty() {
            return Some(name.to_owned());
        }
        from = open + statement[open..].find(')')?;
    }
    None
}

/// The functions in the lists `exports![…]` of the Rust sources below `folder`.
///
/// # Errors
///
/// A source can not be read.
pub fn exported(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            names.extend(exported(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            names.extend(lists(&fs::read_to_string(path)?));
        }
    }
    Ok(names)
}

fn lists(source: &str) -> Vec<String> {
    // Documentation may show one.
    let code: Vec<_> = source.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
    let code = code.join("\n");
    let lists = code.split("exports![").skip(1).filter_map(|rest| rest.split(']').next());
    let names = lists.flat_map(|list| list.split(',')).map(str::trim);
    names.filter(|name| !name.is_empty()).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prototypes_are_found_and_nothing_else() {
        let header = "/* void in_comment(void); */\n#pragma once\n#define MACRO(x) \\\n\tnot_this(x)\n\
                      void *one(int a, int (*callback)(void));\n\
                      __printf(1, 2) __noreturn void two(const char *f, ...);\n\
                      struct page;\nstruct pair { int (*member)(void); };\n\
                      typedef void *(kind_t)(int);\n\
                      static inline int three(void)\n{\n\tfour();\n\treturn 0;\n}\n\
                      INFO(vermagic, \"x\");\nextern unsigned long variable;\n\
                      int __must_check five(const char *text,\n\t\t unsigned int base);\n\
                      BODY(of_a_macro, int)\nBODY(of_another, int)\n#undef BODY\n\
                      int init_module(void);\nchar *six(const char *, int) __malloc;\n";
        assert_eq!(prototypes(header), ["one", "two", "five", "six"]);
    }

    #[test]
    fn lists_are_found() {
        let source = "//! exports![no]\nuse exports;\nexports![\n    a, // of b\n    b_c,\n];\n\
                      exports![d];\n";
        assert_eq!(lists(source), ["a", "b_c", "d"]);
    }
}
