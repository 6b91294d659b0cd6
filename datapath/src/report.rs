use crate::error::Problem;

/// What came of publishing a table.
#[derive(Debug, Default)]
pub struct PublishReport {
    /// What could not be put in force. All the rest is.
    pub problems: Vec<Problem>,
}
