//! Questions and answers, a line each.

use std::io::{BufRead, Write};

use super::InitError;
use crate::screen::shown::shown;

/// Whoever is asked.
#[derive(Debug)]
pub(crate) struct Dialog<R, W> {
    answers: R,
    questions: W,
}

impl<R: BufRead, W: Write> Dialog<R, W> {
    /// Somebody who reads and writes there.
    pub(crate) fn new(answers: R, questions: W) -> Self {
        Self { answers, questions }
    }

    /// Says something.
    ///
    /// # Errors
    /// When it cannot be said.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), InitError> {
        let written = writeln!(self.questions, "{}", shown(line));
        written.map_err(InitError::Terminal)
    }

    /// Asks until there is an answer that can be read. Nothing is what was proposed.
    ///
    /// # Errors
    /// When nobody answers any more.
    pub(crate) fn ask<T>(
        &mut self,
        question: &str,
        proposal: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, InitError> {
        loop {
            let shown_proposal = proposal.map_or_else(String::new, |it| format!(" [{it}]"));
            let asked = write!(self.questions, "{}{shown_proposal}: ", shown(question));
            asked
                .and_then(|()| self.questions.flush())
                .map_err(InitError::Terminal)?;
            let mut answer = String::new();
            let came = self
                .answers
                .read_line(&mut answer)
                .map_err(InitError::Terminal)?;
            if came == 0 {
                self.say("")?;
                return Err(InitError::Ended);
            }
            let answer = Some(answer.trim()).filter(|it| !it.is_empty()).or(proposal);
            match answer.map(&read) {
                Some(Ok(value)) => return Ok(value),
                Some(Err(problem)) => self.say(&format!("  {problem}"))?,
                None => {}
            }
        }
    }
}
