//! Debian's chromium, driven through its chromedriver, and what a page did in it.
//!
//! Invariant: the driver ends with its guard, and the browser with its session, however a test ends; a session that is
//! [finished](Session::finish) has logged nothing and fetched nothing but its page.

use std::fs;
use std::future::Future;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// How long a page may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running chromedriver.
pub struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver can be run; `cargo xtask setup` installs it");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // ChromeDriver was started successfully on port 12345.
        let port = lines.map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let Some(port) = port else {
            let _ = child.kill();
            panic!("chromedriver did not start: {:?}", child.wait());
        };
        Self { child, port }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of WebDriver's dialect that chromedriver speaks.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

/// A browser with a page in it.
pub struct Session {
    runtime: Runtime,
    client: Client,
    url: String,
}

impl Session {
    /// Opens `url` in a browser of its own.
    pub fn open(driver: &Driver, url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut arguments = vec!["--headless=new", "--disable-gpu", "--window-size=1440,1000"];
        // Chromium's sandbox refuses to be set up by root.
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            arguments.push("--no-sandbox");
        }
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let address = format!("http://127.0.0.1:{}", driver.port);
        let connected = builder.connect(&address);
        let client = runtime
            .block_on(async { tokio::time::timeout(PATIENCE * 3, connected).await })
            .expect("chromium starts in time")
            .expect("chromium can be started; `cargo xtask setup` installs it");
        let session = Self { runtime, client, url: url.to_owned() };
        session.goto(url);
        session
    }

    fn wait<T>(&self, command: impl Future<Output = Result<T, CmdError>>) -> T {
        let timed = async { tokio::time::timeout(PATIENCE, command).await };
        self.runtime.block_on(timed).expect("the browser answers in time").unwrap()
    }

    /// Opens another address.
    pub fn goto(&self, url: &str) {
        self.wait(self.client.goto(url));
    }

    /// What the function with this body returns.
    #[track_caller]
    pub fn run(&self, body: &str) -> Value {
        self.run_with(body, json!(null))
    }

    /// The same, with `argument` as `arguments[0]`.
    #[track_caller]
    pub fn run_with(&self, body: &str, argument: Value) -> Value {
        self.wait(self.client.execute(body, vec![argument]))
    }

    /// A text that a script returns.
    #[track_caller]
    pub fn text(&self, body: &str) -> String {
        let value = self.run(body);
        value.as_str().unwrap_or_else(|| panic!("{body} gave {value}")).to_owned()
    }

    /// Waits until `body` returns something true.
    #[track_caller]
    pub fn until(&self, body: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.run(&format!("return Boolean({body})")) != json!(true) {
            assert!(Instant::now() < deadline, "{body} did not come true");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Presses keys wherever the focus is.
    pub fn keys(&self, keys: &str) {
        self.wait(async { self.client.active_element().await?.send_keys(keys).await });
    }

    /// A command of Chromium's own protocol.
    pub fn protocol(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.wait(self.client.issue_cmd(Own { path: "goog/cdp/execute", body }))
    }

    /// Sets what a style sheet asks for: `prefers-color-scheme`, and the medium.
    pub fn emulate(&self, medium: &str, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.protocol(
            "Emulation.setEmulatedMedia",
            json!({ "media": medium, "features": features }),
        );
    }

    /// How wide and high the page's view is.
    pub fn resize(&self, width: u32, height: u32, scale: f64) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false });
        self.protocol("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// A picture of the page from `top` on, as high as the view.
    pub fn screenshot(&self) -> Vec<u8> {
        self.wait(self.client.screenshot())
    }

    /// Ends the browser. It must not have complained, nor asked anybody for anything but the page.
    #[track_caller]
    pub fn finish(self) {
        let log = |kind: &str| {
            self.wait(self.client.issue_cmd(Own { path: "se/log", body: json!({ "type": kind }) }))
        };
        assert_eq!(log("browser"), json!([]), "the console is empty");
        let performance = log("performance");
        let mut own = 0;
        for entry in performance.as_array().unwrap() {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let event = &event["message"];
            if event["method"] == "Network.requestWillBeSent" {
                let asked = event["params"]["request"]["url"].as_str().unwrap();
                assert_eq!(asked, self.url, "the page asks for nothing");
                own += 1;
            }
        }
        assert!(own > 0, "requests are logged");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.client.clone().close());
    }
}
