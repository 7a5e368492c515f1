//! Moves the file that an alert is about into the engine's quarantine: the one
//! that `<keys>` names, that VirusTotal called malicious, or that syscheck saw.

use riposte_sdk::{Alert, Error, Reversible, export, invocation, log, quarantine};

/// Where the path stands: in what the VirusTotal integration of Wazuh says, in
/// an alert of syscheck, in ECS (Wazuh 5).
const PATHS: [&str; 3] = ["/data/virustotal/source/file", "/syscheck/path", "/file/path"];

struct QuarantineFile;

impl Reversible for QuarantineFile {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![path(alert)?])
    }

    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let path = path(alert)?;
        if quarantine::put(&path)? {
            log::info(format!("{path} is in quarantine"));
        } else {
            log::info(format!("{path} was in quarantine already"));
        }
        // The engine keeps what it takes to put the file back.
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        let path = path(alert)?;
        if quarantine::restore(&path)? {
            log::info(format!("{path} is back"));
        }
        Ok(())
    }
}

/// The path, as the alert writes it: the engine takes one spelling only.
fn path(alert: &Alert) -> Result<String, Error> {
    let named = invocation::keys().into_iter().next();
    let found = || PATHS.into_iter().filter_map(|pointer| alert.text(pointer));
    let text = named.or_else(|| found().find(|text| !text.is_empty() && text != "-"));
    let path =
        text.ok_or_else(|| Error::no_key(format!("the alert names no file ({})", PATHS.join(", "))))?;
    let parts = || path.split('/').skip(1);
    if !path.starts_with('/') || parts().any(|part| matches!(part, "" | "." | "..")) {
        return Err(Error::invalid(format!("{path:?} is not the absolute path of a file in its plain form")));
    }
    Ok(path)
}

export!(QuarantineFile);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn alert(json: &str) -> Alert {
        json.parse().unwrap()
    }

    const SYSCHECK: &str = r#"{"syscheck":{"path":"/home/a/x y"}}"#;

    #[test]
    fn moves_and_puts_back() {
        host::reset();
        QuarantineFile::add(&alert(SYSCHECK)).unwrap();
        QuarantineFile::delete(&alert(SYSCHECK), None).unwrap();
        QuarantineFile::delete(&alert(SYSCHECK), None).unwrap();
        let calls: Vec<_> = host::calls().into_iter().filter(|call| call.starts_with("quarantine")).collect();
        assert_eq!(
            calls,
            [
                "quarantine.put /home/a/x y",
                "quarantine.restore /home/a/x y",
                "quarantine.restore /home/a/x y"
            ]
        );
    }

    #[test]
    fn the_file_that_is_meant() {
        host::reset();
        for (json, path) in [
            (SYSCHECK, "/home/a/x y"),
            (
                r#"{"data":{"virustotal":{"source":{"file":"/tmp/v"}}},"syscheck":{"path":"/tmp/s"}}"#,
                "/tmp/v",
            ),
            (r#"{"file":{"path":"/tmp/e"}}"#, "/tmp/e"),
        ] {
            assert_eq!(QuarantineFile::keys(&alert(json)).unwrap(), [path], "{json}");
        }
        host::set_invocation(host::Invocation { keys: vec!["/tmp/k".to_owned()], ..Default::default() });
        assert_eq!(QuarantineFile::keys(&alert(SYSCHECK)).unwrap(), ["/tmp/k"]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        host::reset();
        for path in ["x", "/tmp/../etc/passwd", "/tmp//x", "/tmp/x/", "C:\\\\x", "/"] {
            let alert = alert(&format!(r#"{{"syscheck":{{"path":"{path}"}}}}"#));
            assert_eq!(QuarantineFile::keys(&alert).unwrap_err().kind, "invalid-input", "{path}");
        }
        assert_eq!(QuarantineFile::keys(&alert("{}")).unwrap_err().kind, "no-key");
        assert!(host::calls().is_empty());
    }
}
