//! The form of the explorer: a machine and a kernel's settings, for the script that asks the WebAssembly module.
//!
//! It decides nothing: what is typed goes to the kernel's own parser of its command line.

use maud::{Markup, html};
use mm::boot::split::Split;

/// The largest size that a slider of a bank reaches, in MiB; more can be typed.
const BANK_MIB: u32 = 4096;

/// The form. On a page of its own its heading is the page's.
pub fn form(only: bool) -> Markup {
    html! {
        section aria-labelledby="explorer" {
            h2 id="explorer" tabindex="-1" {
                @if only { "Settings and what they give" } @else { "Explorer" }
            }
            p.needs-scripts { "The explorer needs scripts, which are off." }
            div id="explore" hidden {
                form autocomplete="off" {
                    fieldset {
                        legend { "RAM" }
                        div id="banks" {}
                        button type="button" id="add-bank" { "Add a bank" }
                        template id="bank" { (bank()) }
                    }
                    fieldset {
                        legend { "Split of user and kernel" }
                        div.splits {
                            @for split in Split::ALL {
                                label {
                                    input type="radio" name="split" value=(split.name())
                                        checked[split == Split::ThreeG];
                                    span { (split.name()) }
                                    span.quiet { (split.page_offset()) }
                                }
                            }
                        }
                    }
                    fieldset {
                        legend { "Command line" }
                        (setting("vmalloc", "vmalloc=", 16, 3072, 8))
                        (setting("dma_zone", "dma_zone=", 1, 1024, 1))
                        label.check {
                            input type="checkbox" name="highmem" checked;
                            " Use HighMem"
                        }
                        label.field {
                            span { "Others" }
                            input type="text" name="append" spellcheck="false" placeholder="mem=512M";
                        }
                    }
                    button type="reset" { "Back to 1G, 3g" }
                }
                div.outcome {
                    p role="alert" id="explore-error" {}
                    div id="explore-found" {
                        dl.figures id="explore-figures" {}
                        ul.warnings id="explore-warnings" aria-label="Warnings" {}
                        div.pictures tabindex="0" role="group" aria-label="Pictures" id="explore-pictures" {}
                    }
                    h3 { "The same in a terminal" }
                    pre id="explore-commands" tabindex="0" role="region" aria-label="Command lines" {}
                    p.quiet { "The address of this page has the settings: a copy of it shows the same." }
                    p.unseen role="status" id="explore-status" {}
                }
            }
        }
    }
}

/// A bank; the script numbers it.
fn bank() -> Markup {
    html! {
        fieldset.bank {
            legend { "Bank" }
            label.field { span { "Start" } input type="text" name="start" spellcheck="false"; }
            label.field { span { "Size" } input type="text" name="size" spellcheck="false"; }
            label.field.slider {
                span.unseen { "Size in MiB" }
                input type="range" name="slider" min="16" max=(BANK_MIB) step="16";
            }
            button type="button" name="remove" { "Remove" }
        }
    }
}

/// A parameter with a slider: empty is the kernel's default.
fn setting(name: &str, words: &str, least: u32, most: u32, step: u32) -> Markup {
    html! {
        label.field {
            span { (words) }
            input type="text" name=(name) spellcheck="false" placeholder="default" data-slider={ (name) "-slider" };
        }
        label.field.slider {
            span.unseen { (words) " in MiB" }
            input type="range" name={ (name) "-slider" } min=(least) max=(most) step=(step) data-text=(name);
        }
    }
}
