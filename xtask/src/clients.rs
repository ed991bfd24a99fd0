//! The client programs in `conformance/`: how each is installed, built and called.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{self, cargo, finish, must, root, target, workshop};

/// One column of a compatibility table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) key: &'static str,
    pub(crate) checks: Checks,
    language: Language,
    /// The script, class or set that holds its checks.
    program: &'static str,
}

/// Which list of checks a client makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    Kafka,
    Amqp,
    /// What tells the clients of AMQP from each other.
    AmqpClients,
    Sqs,
    Sns,
    /// What Celery makes of SQS.
    Celery,
    /// What Celery makes of AMQP.
    CeleryAmqp,
    /// What those do who look after RabbitMQ by HTTP.
    AmqpManagement,
    /// What one door sees of another's messages.
    Doors,
    /// What AMQP and the other doors see of each other's messages.
    AmqpDoors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Python,
    /// With the libraries of when SQS's clients spoke Query.
    PythonOfOld,
    Java,
    Go,
    JavaScript,
    Rust,
}

pub(crate) const CONFLUENT_PYTHON: Client = kafka("confluent-kafka", Language::Python, "confluent.py");
pub(crate) const KAFKA_PYTHON: Client = kafka("kafka-python", Language::Python, "kafka_python.py");
pub(crate) const AIOKAFKA: Client = kafka("aiokafka", Language::Python, "aio.py");
pub(crate) const KAFKA_CLIENTS: Client = kafka("kafka-clients", Language::Java, "KafkaClients");
pub(crate) const CONSOLE_TOOLS: Client = kafka("console-tools", Language::Java, "ConsoleTools");
pub(crate) const FRANZ_GO: Client = kafka("franz-go", Language::Go, "franz-go");
pub(crate) const KAFKAJS: Client = kafka("kafkajs", Language::JavaScript, "kafkajs.js");
pub(crate) const RDKAFKA: Client = kafka("rdkafka", Language::Rust, "rdkafka");
pub(crate) const PIKA: Client =
    Client { key: "pika", checks: Checks::Amqp, language: Language::Python, program: "pika_blocking.py" };
pub(crate) const AIO_PIKA: Client = amqp("aio-pika", Language::Python, "aio_pika_robust.py");
pub(crate) const KOMBU: Client = amqp("kombu", Language::Python, "kombu_amqp.py");
pub(crate) const AMQPLIB: Client = amqp("amqplib", Language::JavaScript, "amqplib.js");
pub(crate) const AMQP091_GO: Client = amqp("amqp091-go", Language::Go, "amqp091-go");
pub(crate) const RABBITMQ_JAVA: Client = amqp("rabbitmq-java", Language::Java, "RabbitClient");
pub(crate) const LAPIN: Client = amqp("lapin", Language::Rust, "lapin");
pub(crate) const BOTO3: Client = sqs("boto3", Language::Python, "boto.py");
pub(crate) const BOTO3_QUERY: Client = sqs("boto3-query", Language::PythonOfOld, "boto.py");
pub(crate) const AWS_JAVA: Client = sqs("aws-java", Language::Java, "AwsSdk");
pub(crate) const AWS_GO: Client = sqs("aws-go", Language::Go, "aws-sdk-go");
pub(crate) const AWS_JAVASCRIPT: Client = sqs("aws-javascript", Language::JavaScript, "sqs.js");
pub(crate) const AWS_RUST: Client = sqs("aws-rust", Language::Rust, "aws-sdk-rust");
pub(crate) const AWS_CLI: Client = sqs("aws-cli", Language::Python, "aws_cli.py");
pub(crate) const BOTO3_SNS: Client = sns("boto3-sns", Language::Python, "boto_sns.py");
pub(crate) const AWS_JAVA_SNS: Client = sns("aws-java-sns", Language::Java, "AwsSdkSns");
pub(crate) const AWS_GO_SNS: Client = sns("aws-go-sns", Language::Go, "aws-sdk-go-sns");
pub(crate) const AWS_JAVASCRIPT_SNS: Client = sns("aws-javascript-sns", Language::JavaScript, "sns.js");
pub(crate) const CELERY: Client =
    Client { key: "celery", checks: Checks::Celery, language: Language::Python, program: "celery_over_sqs.py" };
pub(crate) const CELERY_AMQP: Client = Client {
    key: "celery-amqp",
    checks: Checks::CeleryAmqp,
    language: Language::Python,
    program: "celery_over_amqp.py",
};
pub(crate) const PYRABBIT2: Client =
    Client { key: "pyrabbit2", checks: Checks::AmqpManagement, language: Language::Python, program: "management.py" };
pub(crate) const DOORS: Client =
    Client { key: "doors", checks: Checks::Doors, language: Language::Python, program: "doors.py" };
pub(crate) const AMQP_DOORS: Client =
    Client { key: "amqp-doors", checks: Checks::AmqpDoors, language: Language::Python, program: "doors_amqp.py" };

pub(crate) const ALL: [Client; 31] = [
    KAFKA_CLIENTS,
    CONSOLE_TOOLS,
    CONFLUENT_PYTHON,
    KAFKA_PYTHON,
    AIOKAFKA,
    FRANZ_GO,
    KAFKAJS,
    RDKAFKA,
    PIKA,
    AIO_PIKA,
    KOMBU,
    AMQPLIB,
    AMQP091_GO,
    RABBITMQ_JAVA,
    LAPIN,
    BOTO3,
    BOTO3_QUERY,
    AWS_JAVA,
    AWS_GO,
    AWS_JAVASCRIPT,
    AWS_RUST,
    AWS_CLI,
    BOTO3_SNS,
    AWS_JAVA_SNS,
    AWS_GO_SNS,
    AWS_JAVASCRIPT_SNS,
    CELERY,
    CELERY_AMQP,
    PYRABBIT2,
    DOORS,
    AMQP_DOORS,
];

const fn kafka(key: &'static str, language: Language, program: &'static str) -> Client {
    Client { key, checks: Checks::Kafka, language, program }
}

const fn amqp(key: &'static str, language: Language, program: &'static str) -> Client {
    Client { key, checks: Checks::AmqpClients, language, program }
}

const fn sqs(key: &'static str, language: Language, program: &'static str) -> Client {
    Client { key, checks: Checks::Sqs, language, program }
}

const fn sns(key: &'static str, language: Language, program: &'static str) -> Client {
    Client { key, checks: Checks::Sns, language, program }
}

impl Client {
    /// Installs what the client needs and returns the command that runs its checks.
    pub(crate) fn prepare(self) -> Result<Command> {
        match self.language {
            Language::Python => Ok(script(&python()?, self.program)),
            Language::PythonOfOld => Ok(script(&python_of("python-query", "requirements-query.txt")?, self.program)),
            Language::Java => java(self.program),
            Language::Go => {
                let mut command = Command::new(go("go", "conformance")?);
                command.arg(self.program);
                Ok(command)
            }
            Language::JavaScript => javascript(self.program),
            Language::Rust => rust(self.program),
        }
    }
}

fn folder(name: &str) -> PathBuf {
    root().join("conformance").join(name)
}

/// A program that is not installed and cannot be.
#[derive(Debug)]
pub(crate) struct Missing {
    program: String,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not installed, and this machine's package manager does not install it", self.program)
    }
}

impl std::error::Error for Missing {}

/// Makes sure that a program is there, with the system's package manager if it must be.
pub(crate) fn need(program: &str, package: &str) -> Result<()> {
    if shell::has(program) {
        return Ok(());
    }
    let mut command = Command::new("apt-get");
    command.args(["install", "-y", "--no-install-recommends", package]).env("DEBIAN_FRONTEND", "noninteractive");
    match finish("apt-get", &mut command) {
        Ok(ended) if ended.status.success() => Ok(()),
        _ => bail!(Missing { program: program.to_owned() }),
    }
}

/// Makes `what`, unless it was made from these files as they are now.
fn make_from(files: &[PathBuf], what: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut now = String::new();
    for file in files {
        now += &fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    let made_from = what.join(".made-from");
    if what.exists() && fs::read_to_string(&made_from).ok().as_ref() == Some(&now) {
        return Ok(());
    }
    if what.exists() {
        fs::remove_dir_all(what)?;
    }
    make()?;
    Ok(fs::write(made_from, now)?)
}

fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(folder("python").join(name)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns a Python that has the client libraries.
pub(crate) fn python() -> Result<PathBuf> {
    python_of("python", "requirements.txt")
}

/// Returns the Python of this name, which has what this list in `conformance/python` names.
fn python_of(name: &str, requirements: &str) -> Result<PathBuf> {
    need("python3", "python3-venv")?;
    python_with(&folder("python").join(requirements), &workshop("clients")?.join(name))
}

/// Returns a Python in `place` that has what `requirements` lists.
fn python_with(requirements: &Path, place: &Path) -> Result<PathBuf> {
    let python = place.join("bin/python");
    make_from(&[requirements.to_path_buf()], place, || {
        must("python-venv", Command::new("python3").args(["-m", "venv"]).arg(place))?;
        must("pip", Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements))?;
        Ok(())
    })?;
    Ok(python)
}

/// Returns the directory of Apache Kafka's jars.
pub(crate) fn kafka_jars() -> Result<PathBuf> {
    need("java", "default-jdk-headless")?;
    need("mvn", "maven")?;
    let jars = workshop("clients")?.join("jars");
    copy_jars(&folder("java").join("pom.xml"), &jars)?;
    Ok(jars)
}

/// Fetches what a `pom.xml` depends on.
fn copy_jars(pom: &Path, jars: &Path) -> Result<()> {
    make_from(&[pom.to_path_buf()], jars, || {
        let mut command = Command::new("mvn");
        command.args(["-q", "-B", "dependency:copy-dependencies"]).arg("-f").arg(pom);
        must("maven", command.arg(format!("-DoutputDirectory={}", jars.display())))?;
        Ok(())
    })
}

/// The version of `ElasticMQ` that queues are compared with.
pub(crate) const ELASTICMQ: &str = "1.7.1";

/// Returns the directory of `ElasticMQ`'s jars.
pub(crate) fn elasticmq_jars() -> Result<PathBuf> {
    jars_of("elasticmq", ("org.elasticmq", "elasticmq-server_2.13", ELASTICMQ))
}

/// Returns the directory of one artifact's jars, which only benchmarks use.
fn jars_of(name: &str, (group, artifact, version): (&str, &str, &str)) -> Result<PathBuf> {
    need("java", "default-jdk-headless")?;
    need("mvn", "maven")?;
    let place = workshop(&format!("clients/{name}"))?;
    let (pom, jars) = (place.join("pom.xml"), place.join("jars"));
    fs::write(
        &pom,
        format!(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>
<groupId>org.omnibus</groupId><artifactId>peers</artifactId><version>1</version><dependencies><dependency>
<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>
</dependency></dependencies></project>
"
        ),
    )?;
    copy_jars(&pom, &jars)?;
    Ok(jars)
}

/// The version of `RabbitMQ`'s load generator.
pub(crate) const PERF_TEST: &str = "2.22.1";

/// Returns the directory of `PerfTest`'s jars.
pub(crate) fn perf_test_jars() -> Result<PathBuf> {
    jars_of("perf-test", ("com.rabbitmq", "perf-test", PERF_TEST))
}

/// Returns the script that starts `RabbitMQ`.
pub(crate) fn rabbitmq_server() -> Result<PathBuf> {
    // Not where the system has its users look for programs.
    let script = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
    if !script.exists() {
        need("rabbitmq-server", "rabbitmq-server")?;
    }
    Ok(script)
}

/// The version of moto that queues are compared with.
pub(crate) const MOTO: &str = "5.2.5";

/// Returns moto's server.
pub(crate) fn moto_server() -> Result<PathBuf> {
    need("python3", "python3-venv")?;
    let place = workshop("clients/moto")?;
    let requirements = place.join("requirements.txt");
    fs::write(&requirements, format!("moto[server]=={MOTO}\n"))?;
    let python = python_with(&requirements, &place.join("venv"))?;
    Ok(python.with_file_name("moto_server"))
}

/// Returns a `java` that starts fast and knows Apache Kafka and the classes in `conformance/java`.
fn java(class: &str) -> Result<Command> {
    let jars = kafka_jars()?;
    need("javac", "default-jdk-headless")?;
    let classes = workshop("clients/classes")?;
    let sources = fs::read_dir(folder("java"))?.flatten().map(|entry| entry.path());
    let sources: Vec<PathBuf> =
        sources.filter(|path| path.extension().is_some_and(|ending| ending == "java")).collect();
    let mut compiler = Command::new("javac");
    compiler.args(["-Xlint:all,-path", "-Werror", "-cp", &format!("{}/*", jars.display())]);
    must("javac", compiler.arg("-d").arg(&classes).args(sources))?;
    let mut command = Command::new("java");
    let path = format!("{}:{}/*", classes.display(), jars.display());
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", &path, class]);
    Ok(command)
}

/// Builds a Go program of `conformance/` and returns its path.
pub(crate) fn go(module: &str, program: &str) -> Result<PathBuf> {
    need("go", "golang-go")?;
    let path = workshop("clients")?.join(format!("go-{program}"));
    let mut command = Command::new("go");
    must(&format!("go-{program}"), command.args(["build", "-o"]).arg(&path).arg(".").current_dir(folder(module)))?;
    Ok(path)
}

fn javascript(script: &str) -> Result<Command> {
    need("node", "nodejs")?;
    need("npm", "npm")?;
    // Node looks for packages above the script.
    let place = folder("node");
    make_from(&[place.join("package-lock.json")], &place.join("node_modules"), || {
        must("npm", Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&place))?;
        Ok(())
    })?;
    let mut command = Command::new("node");
    command.arg(place.join(script)).env("KAFKAJS_NO_PARTITIONER_WARNING", "1");
    Ok(command)
}

/// Builds the Rust program, which stands beside the workspace and has a target of its own.
fn rust(client: &str) -> Result<Command> {
    let place = target().join("conformance");
    let mut command = cargo(&["build", "--locked", "--target-dir"]);
    must("conformance-rust", command.arg(&place).current_dir(folder("rust")))?;
    let mut command = Command::new(place.join("debug/conformance"));
    command.arg(client);
    Ok(command)
}
