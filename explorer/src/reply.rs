//! The answers to a page's questions.

use experiment::answer::Answer;
use experiment::compare::{Difference, differences};
use experiment::configuration::{Configuration, Shorthands};
use experiment::figures::Figures;
use experiment::picture;
use experiment::predict::predict;
use serde::Serialize;
use serde_json::Error;

use crate::request::{Experiment, Request, Sides};

/// An answer, or why there is none. Each is an object of its own keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Predict`].
    Answer(Box<Answer>),
    /// To [`Request::Compare`].
    Differences(Vec<Difference>),
    /// To [`Request::Configure`].
    Configuration(Configuration),
    /// There is no answer: why.
    Error(String),
    /// To [`Request::Draw`].
    #[serde(untagged)]
    Drawn {
        /// The prediction.
        answer: Box<Answer>,
        /// What is read first of it.
        figures: Figures,
        /// The same as pictures.
        pictures: Pictures,
    },
}

/// The pictures of an answer: SVG text, by what it shows.
#[derive(Debug, Serialize)]
pub struct Pictures {
    /// The address space.
    pub address_space: String,
    /// RAM.
    pub ram: String,
}

/// The reply to `request`.
pub fn reply(request: &Request) -> Reply {
    match request {
        Request::Predict(question) => answer(question, Reply::Answer),
        Request::Draw(question) => answer(question, |answer| {
            let (figures, pictures) = (Figures::of(&answer), draw(&answer));
            Reply::Drawn { answer, figures, pictures }
        }),
        Request::Configure(settings) => {
            let short = Shorthands {
                vmalloc: settings.vmalloc.as_deref(),
                dma_zone: settings.dma_zone.as_deref(),
                no_highmem: settings.no_highmem,
            };
            let configuration = Configuration::new(settings.split, &settings.append, short);
            Reply::Configuration(configuration)
        }
        Request::Compare(sides) => compare(sides).map_or_else(
            |error| Reply::Error(format!("answers that can not be compared: {error}")),
            Reply::Differences,
        ),
    }
}

fn answer(question: &Experiment, reply: impl FnOnce(Box<Answer>) -> Reply) -> Reply {
    match predict(&question.machine, &question.configuration) {
        Ok(answer) => reply(Box::new(answer)),
        Err(error) => Reply::Error(error.to_string()),
    }
}

/// The pictures of `answer`, by the functions that draw the report's.
fn draw(answer: &Answer) -> Pictures {
    Pictures {
        address_space: picture::address_space(answer).into_string(),
        ram: picture::ram(answer).into_string(),
    }
}

fn compare(sides: &Sides) -> Result<Vec<Difference>, Error> {
    Ok(differences(&serde_json::to_value(&sides.left)?, &serde_json::to_value(&sides.right)?))
}
