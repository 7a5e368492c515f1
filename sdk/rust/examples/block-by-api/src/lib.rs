//! Blocks the source address at a firewall elsewhere, by its HTTP interface.
//!
//! The interface here is made up: change paths and members to those of your
//! firewall. `<config name="url" value="https://firewall.example.com/api"/>` says
//! where it is, `<secret name="token"/>` what it is asked with.

use riposte_sdk::http::{Request, Response};
use riposte_sdk::{Alert, Error, Reversible, config, export, invocation, json, log, secret};

struct BlockByApi;

impl Reversible for BlockByApi {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![alert.address()?.to_string()])
    }

    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let address = alert.address()?.to_string();
        // It ends there by itself too, should this engine never come back.
        let seconds = invocation::timeout().map_or("null".to_owned(), |seconds| seconds.to_string());
        let block = json::object(&[
            ("address", json::string(&address)),
            ("seconds", seconds),
            ("reference", json::string(&invocation::id())),
        ]);
        let answer = ask("POST", "/blocks", Some(block))?;
        let id = answer.json()?.text("/id").ok_or_else(|| Error::failed("the firewall named no block"))?;
        log::info(format!("blocked {address} at the firewall"));
        Ok(id.into_bytes())
    }

    fn delete(alert: &Alert, receipt: Option<&[u8]>) -> Result<(), Error> {
        if let Some(id) = receipt.filter(|receipt| !receipt.is_empty()) {
            return remove(&String::from_utf8_lossy(id));
        }
        // The engine may have stopped before the receipt was stored.
        let blocks = ask("GET", &format!("/blocks?address={}", alert.address()?), None)?.json()?;
        let ids = blocks.elements("").iter().filter_map(|block| block.text("/id"));
        ids.map(|id| remove(&id)).collect()
    }
}

fn remove(id: &str) -> Result<(), Error> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Error::failed(format!("the firewall gave a block the identifier {id:?}, which is none")));
    }
    ask("DELETE", &format!("/blocks/{id}"), None).map(|_| ())
}

fn ask(method: &str, path: &str, body: Option<String>) -> Result<Response, Error> {
    let url = config::get("url").ok_or_else(|| {
        Error::failed("no firewall is named: add <config name=\"url\" value=\"https://...\"/>")
    })?;
    let mut request = Request::new(method, url + path);
    if let Some(body) = body {
        request = request.header("Content-Type", "application/json").body(body);
    }
    let answer = request.header("Authorization", &format!("Bearer {}", secret::get("token")?)).send()?;
    match answer.status {
        200..300 => Ok(answer),
        // What is to go is gone.
        404 if method == "DELETE" => Ok(answer),
        429 | 500.. => Err(Error::unavailable(format!("the firewall answered {}", answer.status))),
        status => Err(Error::failed(format!("the firewall answered {status}: check token and url"))),
    }
}

export!(BlockByApi);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    #[test]
    fn the_firewall_is_asked_and_asked_again() {
        host::reset();
        host::set_config("url", "https://firewall.example.com/api");
        host::set_secret("token", "t0ken");
        host::answer_with(
            "http.send",
            Response { status: 201, body: br#"{"id":42}"#.to_vec(), ..Response::default() },
        );
        let alert: Alert = r#"{"data":{"srcip":"192.0.2.7"}}"#.parse().unwrap();
        assert_eq!(BlockByApi::add(&alert).unwrap(), b"42");
        let _ = host::calls();
        BlockByApi::delete(&alert, Some(b"42")).unwrap();
        assert_eq!(
            host::calls(),
            [
                "secret.get token",
                "http.send DELETE https://firewall.example.com/api/blocks/42 Authorization: Bearer t0ken"
            ]
        );
    }
}
