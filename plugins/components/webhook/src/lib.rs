//! Posts an alert, as it is, to a URL that the operator sets.

use riposte_sdk::http::{self, Request};
use riposte_sdk::{Alert, Error, Oneshot, config, export, log, secret};

struct Webhook;

impl Oneshot for Webhook {
    fn run(alert: &Alert) -> Result<(), Error> {
        let url = match config::get("url") {
            Some(url) => url,
            None => secret::get("url")?,
        };
        let mut request = Request::post_json(url, alert.json());
        if let Some(token) = token()? {
            request = request.header("Authorization", &token);
        }
        let response = http::send(&request)?;
        match response.status {
            200..300 => {
                log::info("posted");
                Ok(())
            }
            408 | 425 | 429 | 500.. => {
                Err(Error::unavailable(format!("the server answered {}", response.status)))
            }
            status => Err(Error::failed(format!("the server answered {status}"))),
        }
    }
}

/// What goes into `Authorization`, with its scheme: `Bearer abc`. A command
/// without such a secret sends none.
fn token() -> Result<Option<String>, Error> {
    match secret::get("token") {
        Ok(token) => Ok(Some(token)),
        Err(error) if error.kind == "denied" => Ok(None),
        Err(error) => Err(error),
    }
}

export!(Webhook: Oneshot);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    const ALERT: &str = r#"{"rule":{"id":"1"},"full_log":"a \"b\""}"#;

    fn denied() -> Error {
        Error { kind: "denied".to_owned(), message: String::new(), retry: false }
    }

    fn sent() -> Vec<String> {
        host::calls().into_iter().filter(|call| call.starts_with("http.send")).collect()
    }

    #[test]
    fn posts_the_alert_byte_for_byte() {
        host::reset();
        host::set_config("url", "https://example.com/hook");
        host::refuse("secret.get", denied());
        Webhook::run(&ALERT.parse().unwrap()).unwrap();
        assert_eq!(
            sent(),
            [format!("http.send POST https://example.com/hook Content-Type: application/json {ALERT}")]
        );
    }

    #[test]
    fn a_token_goes_into_its_header() {
        host::reset();
        host::set_config("url", "https://example.com/hook");
        host::answer_with("secret.get", "Bearer abc".to_owned());
        Webhook::run(&ALERT.parse().unwrap()).unwrap();
        assert!(sent()[0].contains(" Authorization: Bearer abc "), "{:?}", sent());
    }

    #[test]
    fn without_a_url_and_with_a_secret_that_cannot_be_read_nothing_is_sent() {
        host::reset();
        host::refuse("secret.get", denied());
        assert_eq!(Webhook::run(&ALERT.parse().unwrap()).unwrap_err().kind, "denied");
        host::set_config("url", "https://example.com/hook");
        host::reset();
        host::set_config("url", "https://example.com/hook");
        host::refuse("secret.get", Error::unavailable("the file is not there"));
        assert!(Webhook::run(&ALERT.parse().unwrap()).unwrap_err().retry);
        assert_eq!(sent(), Vec::<String>::new());
    }
}
