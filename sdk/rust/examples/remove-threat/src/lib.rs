//! Puts the file of an alert into quarantine, if it is still as large as the alert
//! says: another file of that name is left alone.
//!
//! The file is looked at where `<folder path="..." access="read"/>` grants it, and
//! taken by the engine where `<quarantine/>` grants it.

use riposte_sdk::{Alert, Error, Reversible, export, folder, log, quarantine};

/// Where the path stands: VirusTotal's integration, file integrity.
const PATH: [&str; 2] = ["/data/virustotal/source/file", "/syscheck/path"];

struct RemoveThreat;

impl Reversible for RemoveThreat {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![path(alert)?])
    }

    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let file = path(alert)?;
        // An earlier attempt may have come so far.
        if !quarantine::holds(&file)?
            && let Some(expected) = alert.number("/syscheck/size_after")
        {
            let found = folder::size(&file)?;
            if u64::try_from(expected) != Ok(found) {
                return Err(Error::failed(format!("{file} is another file by now, of {found} bytes")));
            }
        }
        if quarantine::put(&file)? {
            log::info(format!("put {file} into quarantine"));
        }
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        quarantine::restore(&path(alert)?)?;
        Ok(())
    }
}

fn path(alert: &Alert) -> Result<String, Error> {
    let mut found = PATH.iter().filter_map(|pointer| alert.text(pointer)).filter(|path| !path.is_empty());
    found.next().ok_or_else(|| Error::no_key("the alert has no file (syscheck.path)"))
}

export!(RemoveThreat);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    #[test]
    fn a_file_that_has_changed_is_left_alone() {
        host::reset();
        host::set_file("/srv/uploads/a.php", "repaired");
        let alert = |size: u32| -> Alert {
            format!(r#"{{"syscheck":{{"path":"/srv/uploads/a.php","size_after":"{size}"}}}}"#)
                .parse()
                .unwrap()
        };
        assert_eq!(RemoveThreat::add(&alert(4)).unwrap_err().kind, "failed");
        assert_eq!(RemoveThreat::add(&alert(8)), Ok(Vec::new()));
        assert!(host::calls().contains(&"quarantine.put /srv/uploads/a.php".to_owned()));
    }
}
