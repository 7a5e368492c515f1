//! Sends whatever request the alert says: `METHOD URL`, with a body, with
//! headers (`name: value|name: value`), or many at once.

use riposte_sdk::Error;
use riposte_sdk::http::{self, Request};

fn request(line: &str) -> Request {
    let (method, url) = line.split_once(' ').unwrap_or(("GET", line));
    Request::new(method, url)
}

fn send(request: &Request) -> Result<u16, Error> {
    http::send(request).map(|response| response.status)
}

hostile_components::ask! {
    "send" => |a, b| send(&request(a).body(b));
    "headers" => |a, b| {
        let split = |header: &'_ str| header.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned()));
        send(&b.split('|').filter_map(split).fold(request(a), |request, (name, value)| request.header(&name, &value)))
    };
    "large" => |a, b| send(&request(a).body("x".repeat(b.parse().unwrap_or(0))));
    "often" => |a, b| (0..b.parse().unwrap_or(0)).try_for_each(|_: u32| send(&request(a)).map(drop));
}
