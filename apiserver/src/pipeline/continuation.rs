//! The `continue` token of a list: which revision it shows and where the next page begins.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kubus_proto::{ApiError, Reason};
use serde::{Deserialize, Serialize};

const VERSION: &str = "meta.k8s.io/v1";

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation {
    #[serde(rename = "v")]
    version: String,
    /// Revision of the list; `None` goes on with whatever is newest.
    #[serde(rename = "rv")]
    pub revision: Option<u64>,
    /// Namespace of the last object of the page before.
    #[serde(rename = "ns")]
    pub namespace: String,
    /// Its name.
    #[serde(rename = "start")]
    pub name: String,
}

impl Continuation {
    /// Behind the object `namespace`/`name`.
    pub fn new(revision: Option<u64>, namespace: &str, name: &str) -> Self {
        Self { version: VERSION.to_owned(), revision, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// As a client gets it.
    pub fn to_token(&self) -> String {
        // A struct of texts and numbers always has a JSON form.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a token; 400 for one that this server did not make.
    pub fn parse(token: &str) -> Result<Self, ApiError> {
        let wrong = |why: String| ApiError::new(Reason::BadRequest, format!("continue key is not valid: {why}"));
        let json = URL_SAFE_NO_PAD.decode(token).map_err(|e| wrong(e.to_string()))?;
        let read: Self = serde_json::from_slice(&json).map_err(|e| wrong(e.to_string()))?;
        if read.version == VERSION {
            Ok(read)
        } else {
            Err(wrong(format!("server does not recognize this encoded version {:?}", read.version)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_nonsense_is_refused() {
        for place in [Continuation::new(Some(7), "default", "web-1"), Continuation::new(None, "", "n1")] {
            assert_eq!(Continuation::parse(&place.to_token()).expect("token"), place);
        }
        for token in ["!", "bm9uc2Vuc2U", "eyJ2IjoieCIsInJ2IjoxLCJucyI6IiIsInN0YXJ0IjoiYSJ9"] {
            assert_eq!(Continuation::parse(token).expect_err(token).reason, Reason::BadRequest);
        }
    }
}
