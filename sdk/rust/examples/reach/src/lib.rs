//! Sends the request, or reads the file, that the alert names: what every SDK has to
//! bring of HTTP and of files.

use riposte_sdk::http::Request;
use riposte_sdk::{Alert, Error, Oneshot, export, folder, log};

struct Reach;

impl Oneshot for Reach {
    fn run(alert: &Alert) -> Result<(), Error> {
        if let Some(path) = alert.text("/data/read") {
            log::info(format!("read {} bytes", folder::read(&path)?.len()));
            return Ok(());
        }
        let url = alert.text("/data/url").ok_or_else(|| Error::no_key("the alert names nothing"))?;
        let method = alert.text("/data/method").unwrap_or_else(|| "GET".to_owned());
        let mut request = Request::new(method, url).body(alert.text("/data/body").unwrap_or_default());
        if let Some(value) = alert.text("/data/header") {
            request = request.header("X-Probe", &value);
        }
        for _ in 0..alert.number("/data/times").unwrap_or(1) {
            let response = request.send()?;
            let reply = response.header("X-Reply").unwrap_or("none");
            log::info(format!("answered {}, {reply}, {} bytes", response.status, response.body.len()));
        }
        Ok(())
    }
}

export!(Reach: Oneshot);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::{host, http::Response};

    #[test]
    fn it_sends_and_reads() {
        let sends: Alert = r#"{"data":{"url":"https://example.com/","header":"a"}}"#.parse().unwrap();
        let headers = vec![("x-reply".to_owned(), "b".to_owned())];
        host::answer_with("http.send", Response { status: 503, headers, body: b"no".to_vec() });
        Reach::run(&sends).unwrap();
        host::set_file("/srv/a", "text");
        Reach::run(&r#"{"data":{"read":"/srv/a"}}"#.parse().unwrap()).unwrap();
        assert_eq!(
            host::calls(),
            [
                "http.send GET https://example.com/ X-Probe: a",
                "log Info answered 503, b, 2 bytes",
                "log Info read 4 bytes"
            ]
        );
    }
}
