#include "admin/cli.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "admin/certificate.h"
#include "admin/command_line.h"
#include "admin/command_table.h"
#include "admin/control.h"
#include "storage/accounts/password.h"
#include "storage/store.h"
#include "tests/admin/folder.h"
#include "tests/admin/program.h"
#include "tests/admin/stub_server.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::admin_test;
using Json = nlohmann::json;

namespace {

// A data folder that exists, beside room for other files.
struct Place {
  Place() { std::filesystem::create_directory(data); }

  Outcome in(std::vector<std::string> arguments, const std::string& input = {}) const {
    arguments.insert(arguments.begin(), {"--data", data});
    return run(arguments, input);
  }

  Folder folder;
  std::string data = folder / "data";
};

void one_line(const Outcome& outcome) {
  CHECK(outcome.out.empty());
  CHECK(outcome.err.starts_with("mailstead: "));
  CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Environment {
  Environment(const char* variable, const std::string& value) : name(variable) {
    ::setenv(variable, value.c_str(), 1);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { ::unsetenv(name); }
  const char* name;
};

}  // namespace

TEST_CASE("help fits a terminal", "[cli]") {
  std::vector<std::string> topics = {"", "mailbox", "queue", "import"};
  for (const auto& command : admin::commands()) topics.emplace_back(command.name);
  for (const std::string& topic : topics) {
    CAPTURE(topic);
    std::istringstream lines(admin::help_about(topic).text);
    for (std::string line; std::getline(lines, line);) {
      CAPTURE(line);
      CHECK(line.size() <= 80);
      CHECK_FALSE(line.ends_with(' '));
    }
  }
  CHECK(has(run({"help", "mailbox", "quota"}).out, "\n  none     it may hold any number of messages\n"));
  CHECK(has(run({"help"}).out, "\n  mailbox list                      list the mailboxes\n"));
}

TEST_CASE("help and version", "[cli]") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"help"}, {"--help"}, {"-h"}, {"--json", "help"}}) {
    const Outcome outcome = run(arguments);
    CHECK(outcome.exit_code == 0);
    CHECK(outcome.err.empty());
    CHECK(has(outcome.out, "mailbox add [--password-stdin] ADDRESS"));
  }
  CHECK(run({"--version"}).out == std::string("mailstead ") + version() + "\n");
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"help", "mailbox", "add"},
                                                    {"mailbox", "add", "--help"},
                                                    {"mailbox", "-h", "add", "x"}}) {
    const Outcome outcome = run(arguments);
    CHECK(outcome.exit_code == 0);
    CHECK(outcome.out.starts_with("Usage: mailstead mailbox add [--password-stdin] ADDRESS\n"));
  }
  CHECK(has(run({"help", "alias"}).out, "alias remove ALIAS"));
  CHECK(run({"help", "nothing"}).exit_code == 2);
  CHECK(run({"nothing", "--help"}).exit_code == 2);
}

TEST_CASE("wrong usage is one line and exit 2", "[cli]") {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "a command is missing"},
      {{"mialbox"}, "did you mean 'mailbox'?"},
      {{"mailbox"}, "'mailbox' needs another word"},
      {{"mailbox", "lst"}, "did you mean 'mailbox list'?"},
      {{"mailbox", "list", "x"}, "too many arguments"},
      {{"mailbox", "add"}, "too few arguments"},
      {{"alias", "add", "a@b.c"}, "usage is 'mailstead alias add ALIAS TARGET...'"},
      {{"mailbox", "list", "--jsn"}, "unknown option '--jsn'; did you mean '--json'?"},
      {{"mailbox", "list", "--keep-mail"}, "'mailbox list' has no option '--keep-mail'"},
      {{"mailbox", "list", "--password-stdin"}, "'mailbox list' has no option '--password-stdin'"},
      {{"mailbox", "add", "-x"}, "unknown option '-x'"},
      {{"mailbox", "add", "--", "-x"}, "'-x': "},
      {{"mailbox", "add", "../x"}, "'../x': "},
      {{"mailbox", "add", "a\nb"}, "'a\\x0ab': "},
      {{"mailbox", "add", ""}, "'': "},
      {{"mailbox", "add", "{}"}, ""},
      {{"mailbox", "add", std::string(300, 'a')}, "aaa...'"},
      {{"mailbox", "list", "--data"}, "--data"},
      {{"mailbox", "list", "--data", ""}, ""},
      {{"mailbox", "list", "--json=maybe"}, ""},
      {{"mailbox", "quota", "a@b.c"}, "usage is 'mailstead mailbox quota ADDRESS SIZE'"},
      {{"mailbox", "quota", "a@b.c", "2", "GiB"}, "too many arguments"},
      {{"mailbox", "quota", "a@b.c", "big"}, "'big' is not a size such as '2 GiB' (up to '1024 TiB')"},
      {{"mailbox", "quota", "a@b.c", ""}, "'' is not a size"},
      {{"mailbox", "quota", "a@b.c", "-5"}, ""},
      {{"mailbox", "quota", "a@b.c", "1.5 GiB"}, "'1.5 GiB' is not a size"},
      {{"mailbox", "quota", "a@b.c", "1025 TiB"}, "'1025 TiB' is not a size"},
      {{"mailbox", "quota", "a@b.c", "2 GiB\n"}, "'2 GiB\\x0a' is not a size"},
      {{"mailbox", "quota", "@b.c", "none"}, "'@b.c': "},
      {{"completion", "csh"}, "only for bash, fish and zsh"},
      {{"\x1b[31m"}, "unknown command '\\x1b[31m'"},
  };
  const Folder folder;
  const Environment environment("MAILSTEAD_DATA", folder / "none");
  for (const auto& [arguments, message] : cases) {
    const Outcome outcome = run(arguments);
    INFO(outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(has(outcome.err, message));
    one_line(outcome);
  }
  CHECK_FALSE(std::filesystem::exists(folder / "none"));
}

TEST_CASE("a mailbox's life without a server", "[cli]") {
  const Place place;
  const Outcome added = place.in({"mailbox", "add", "anna@example.org"});
  INFO(added.err);
  REQUIRE(added.exit_code == 0);
  CHECK(added.err.empty());
  const std::string label = "The password, shown only this once: ";
  REQUIRE(has(added.out, label));
  const std::string password = added.out.substr(added.out.find(label) + label.size());
  CHECK(password.size() > 20);

  const Outcome again = place.in({"mailbox", "add", "anna@example.org"});
  CHECK(again.exit_code == 1);
  one_line(again);

  const Outcome given =
      place.in({"mailbox", "add", "bo@example.org", "--password-stdin", "--json"}, "a b c\r\nrest");
  REQUIRE(given.exit_code == 0);
  CHECK_FALSE(Json::parse(given.out).contains("password"));
  CHECK_FALSE(has(given.out, "a b c"));
  const Json renewed = Json::parse(place.in({"--json", "mailbox", "password", "bo@example.org"}).out);
  CHECK(renewed["password"].get<std::string>().size() > 20);

  RecoveryReport recovery;
  {
    const auto store = Store::open({place.data, "test"}, recovery);
    REQUIRE(store);
    const auto anna = (*store)->credentials(parse_address("anna@example.org").value())->password_hash;
    CHECK(verify_password(password.substr(0, password.size() - 1), anna));
    const auto bo = (*store)->credentials(parse_address("bo@example.org").value())->password_hash;
    CHECK(verify_password(renewed["password"].get<std::string>(), bo));
    CHECK_FALSE(verify_password("a b c", bo));
  }
  CHECK(recovery.clean);

  CHECK(Json::parse(place.in({"mailbox", "--json", "list"}).out).size() == 2);
  CHECK(has(place.in({"mailbox", "show", "anna@example.org"}).out, "state          enabled\n"));
  CHECK(place.in({"alias", "add", "info@example.org", "anna@example.org", "bo@example.org"}).exit_code == 0);
  CHECK(place.in({"mailbox", "remove", "--keep-mail", "bo@example.org"}).exit_code <= 1);
  CHECK(has(place.in({"domain", "list"}).out, "example.org"));
}

TEST_CASE("the password on the standard input is one line, neither empty nor odd", "[cli]") {
  const Place place;
  for (const std::string& wrong :
       {std::string(), std::string("\n"), std::string("\r\n"), std::string("a\tb\n"),
        std::string("a\0b\n", 4), std::string(241, 'x') + "\n", std::string(100000, 'x'),
        std::string("caf\xe9\n"), std::string("\u0085\n"), std::string("\u00AD\n"),
        std::string("\U0001F600\n"), std::string("a\u05D0\n"),
        std::string("\uFDFA\uFDFA\uFDFA\uFDFA\uFDFA\uFDFA\uFDFA\uFDFA\n")}) {  // 264 octets then
    const Outcome outcome = place.in({"mailbox", "add", "a@example.org", "--password-stdin"}, wrong);
    CHECK(outcome.exit_code == 2);
    one_line(outcome);
  }
  CHECK(std::filesystem::is_empty(place.data));
  CHECK(place.in({"mailbox", "add", "a@example.org", "--password-stdin"}, "no line end").exit_code == 0);
}

TEST_CASE("a password is kept in one Unicode form, whichever it was given in", "[cli]") {
  const Place place;
  const std::string prepared = "caf\u00E9 1";
  const auto kept = [&] {
    RecoveryReport recovery;
    const auto store = Store::open({place.data, "test"}, recovery);
    REQUIRE(store);
    return (*store)->credentials(parse_address("anna@example.org").value())->password_hash;
  };
  REQUIRE(
      place.in({"mailbox", "add", "anna@example.org", "--password-stdin"}, "cafe\u0301\u00A01\n").exit_code ==
      0);
  CHECK(verify_password(prepared, kept()));
  // Also on a terminal, where the two may be typed on two keyboards.
  const Outcome typed = run_on_terminal({"--data", place.data, "mailbox", "password", "anna@example.org"},
                                        {"x\u00E9\n", "xe\u0301\n"});
  INFO(typed.out);
  CHECK(typed.exit_code == 0);
  CHECK(verify_password("x\u00E9", kept()));
}

TEST_CASE("on a terminal the password is asked for twice and not shown", "[cli]") {
  const Place place;
  const std::vector<std::string> add = {"--data", place.data, "mailbox", "add", "anna@example.org"};
  const Outcome different = run_on_terminal(add, {"secret one\n", "secret two\n"});
  CHECK(different.exit_code == 2);
  CHECK(has(different.out, "the two passwords are not the same"));
  CHECK_FALSE(has(different.out, "secret"));
  const Outcome interrupted = run_on_terminal(add, {"\x03"});
  CHECK(interrupted.exit_code == 1);
  CHECK(has(interrupted.out, "nothing was changed"));
  CHECK(std::filesystem::is_empty(place.data));

  const Outcome typed = run_on_terminal(add, {"secret one\n", "secret one\n"});
  INFO(typed.out);
  CHECK(typed.exit_code == 0);
  CHECK_FALSE(has(typed.out, "secret"));
  CHECK_FALSE(has(typed.out, "shown only this once"));
  const Outcome made =
      run_on_terminal({"--data", place.data, "mailbox", "password", "anna@example.org"}, {"\n"});
  CHECK(made.exit_code == 0);
  CHECK(has(made.out, "shown only this once"));

  // Nobody types a password in vain.
  const Outcome again = run_on_terminal(add, {});
  CHECK(again.exit_code == 1);
  CHECK(has(again.out, "the mailbox anna@example.org exists already"));
  CHECK_FALSE(has(again.out, "Password"));
  const Outcome nobody =
      run_on_terminal({"--data", place.data, "mailbox", "password", "bert@example.org"}, {});
  CHECK(nobody.exit_code == 1);
  CHECK(has(nobody.out, "there is no mailbox bert@example.org"));
  CHECK_FALSE(has(nobody.out, "Password"));
}

TEST_CASE("a data folder that is not there is made for the first mailbox only", "[cli]") {
  const Folder folder;
  for (const std::vector<std::string>& command : {std::vector<std::string>{"mailbox", "list"},
                                                  {"mailbox", "show", "a@b.c"},
                                                  {"alias", "list"},
                                                  {"tls", "show"},
                                                  {"status"},
                                                  {"mailbox", "remove", "a@b.c"}}) {
    std::vector<std::string> arguments = {"--data", folder / "new"};
    arguments.insert(arguments.end(), command.begin(), command.end());
    const Outcome outcome = run(arguments);
    CHECK(outcome.exit_code == 1);
    CHECK(has(outcome.err, "there is no data folder " + (folder / "new")));
    one_line(outcome);
  }
  CHECK_FALSE(std::filesystem::exists(folder / "new"));
  const Outcome orphan = run({"--data", folder / "no/new", "mailbox", "add", "a@b.c"});
  CHECK(orphan.exit_code == 1);
  one_line(orphan);
  CHECK_FALSE(std::filesystem::exists(folder / "no"));

  CHECK(run({"--data", folder / "new", "mailbox", "add", "a@b.c"}).exit_code == 0);
  struct stat facts {};
  REQUIRE(::stat((folder / "new").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0700);

  write(folder / "file", "");
  const Outcome file = run({"--data", folder / "file", "mailbox", "list"});
  CHECK(file.exit_code == 1);
  one_line(file);
}

TEST_CASE("status without a server says how to start one", "[cli]") {
  const Place place;
  const Outcome outcome = place.in({"status"});
  CHECK(outcome.exit_code == 1);
  CHECK(has(outcome.err,
            "no server runs on " + place.data + "; start it with 'mailstead --data " + place.data));
  one_line(outcome);
  CHECK(std::filesystem::is_empty(place.data));
}

TEST_CASE("a running server does the work, and what it answers decides", "[cli]") {
  const Place place;
  Request seen;
  StubServer server(place.data, [&seen](const std::string& line) {
    seen = decode_request(line).value();
    if (seen.command == "mailbox list") return encode_report({1, "", "", "a line from the server"});
    return encode_report({0, "text\n", R"({"a":1})", ""});
  });
  CHECK(place.in({"status"}).out == "text\n");
  CHECK(place.in({"status", "--json"}).out == "{\"a\":1}\n");
  const Outcome refused = place.in({"mailbox", "list"});
  CHECK(refused.exit_code == 1);
  CHECK(refused.err == "mailstead: a line from the server\n");

  CHECK(place.in({"mailbox", "add", "a@b.c", "--password-stdin"}, "the password\n").out == "text\n");
  CHECK(seen.arguments == std::vector<std::string>{"a@b.c"});
  CHECK(verify_password("the password", seen.secret));
  CHECK(place.in({"mailbox", "remove", "a@b.c", "--keep-mail"}).exit_code == 0);
  CHECK(seen.flags == std::vector<std::string>{"keep-mail"});
  // The server's own configuration counts: a broken file here does not matter.
  write(place.data + "/mailstead.toml", "broken");
  CHECK(place.in({"alias", "list"}).exit_code == 0);
}

TEST_CASE("a server that went away before it answered is not asked twice for what must happen once",
          "[cli]") {
  const Place place;
  StubServer server(place.data, [](const std::string&) { return std::string(); });
  const Outcome once = place.in({"mailbox", "add", "a@b.c"});
  CHECK(once.exit_code == 1);
  CHECK(has(once.err, "look whether it was done"));
  one_line(once);
  // It is gone for good, and nobody has the folder: a listing is done here.
  CHECK(place.in({"mailbox", "list"}).exit_code == 0);
}

TEST_CASE("a command waits while a server starts or stops", "[cli]") {
  const Place place;
  const pid_t owner = ::fork();
  if (owner == 0) {
    RecoveryReport recovery;
    const auto store = Store::open({place.data, "test"}, recovery);
    write(place.folder / "held", "");
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    ::_exit(store && (*store)->close() ? 0 : 1);
  }
  while (!std::filesystem::exists(place.folder / "held")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = place.in({"mailbox", "list"});
  INFO(outcome.err);
  CHECK(outcome.exit_code == 0);
  CHECK(std::chrono::steady_clock::now() - begin > std::chrono::milliseconds(400));
  int status = 0;
  ::waitpid(owner, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("a broken configuration ends a command and serve with its line", "[cli]") {
  const Place place;
  write(place.data + "/mailstead.toml", "\ncolour = 25\n");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"serve"}, {"mailbox", "list"}, {"config", "show"}, {"config", "check"}}) {
    const Outcome outcome = place.in(command);
    CHECK(outcome.exit_code == 1);
    CHECK(outcome.err == "mailstead: " + place.data + "/mailstead.toml:2: unknown key 'colour'\n");
  }
  CHECK(place.in({"config", "default"}).exit_code == 0);
}

TEST_CASE("config show, check and default", "[cli]") {
  const Place place;
  CHECK(has(place.in({"config", "check"}).out, "the defaults are in force"));
  write(place.folder / "own.toml", "hostname = 'a.example'\n[limits]\nrecipients = 123\n");
  const std::string file = place.folder / "own.toml";
  CHECK(place.in({"config", "check", "--config", file}).out == file + " is in order.\n");
  const std::string shown = place.in({"--config", file, "config", "show"}).out;
  CHECK(has(shown, "recipients = 123\n"));
  CHECK(parse_config(shown, "shown")->limits.recipients == 123);
  const Json json = Json::parse(place.in({"--config", file, "config", "show", "--json"}).out);
  CHECK(json["limits"]["recipients"] == 123);
  CHECK(json["hostname"] == "a.example");
  CHECK(json["tls"]["key"].is_null());
  CHECK(json["listen"]["smtp"] == Json::array({"[::]:25"}));
  CHECK(parse_config(place.in({"config", "default"}).out, "default"));
  {
    const Environment config("MAILSTEAD_CONFIG", file);
    const Environment data("MAILSTEAD_DATA", place.data);
    CHECK(has(run({"config", "show"}).out, "recipients = 123\n"));
  }
  write(place.folder / "tls.toml", "[tls]\ncertificate = '/nowhere/c'\nkey = '/nowhere/k'\n");
  const Outcome outcome = place.in({"config", "check", "--config", place.folder / "tls.toml"});
  CHECK(outcome.exit_code == 1);
  CHECK(has(outcome.err, "cannot read /nowhere/c"));
  const CertificateFiles pair{place.folder / "c.pem", place.folder / "k.pem"};
  REQUIRE(ensure_own_certificate(pair, "a.example"));
  const std::string good = "[tls]\ncertificate = '" + pair.certificate + "'\nkey = '" + pair.key + "'\n";
  write(place.folder / "tls.toml", good);
  CHECK(place.in({"config", "check", "--config", place.folder / "tls.toml"}).exit_code == 0);
  write(place.folder / "tls.toml", good + "more_certificates = ['/nowhere/c']\nmore_keys = ['/nowhere/k']\n");
  CHECK(place.in({"config", "check", "--config", place.folder / "tls.toml"}).exit_code == 1);
  CHECK(std::filesystem::is_empty(place.data));
}

TEST_CASE("serve gets the loaded configuration and its code is the program's", "[cli]") {
  const Place place;
  write(place.folder / "own.toml", "hostname = 'a.example'\n");
  const Outcome outcome = run({"serve", "--data", place.data, "--config", place.folder / "own.toml"}, "",
                              [](const ServeRequest& request) {
                                std::printf("%s|%s|%s", request.data.c_str(), request.config_file.c_str(),
                                            request.config.hostname.c_str());
                                return 7;
                              });
  CHECK(outcome.exit_code == 7);
  CHECK(outcome.out == place.data + "|" + (place.folder / "own.toml") + "|a.example");
  CHECK(run({"serve", "x", "--data", place.data}).exit_code == 2);
  const Outcome thrown = run({"serve", "--data", place.data}, "",
                             [](const ServeRequest&) -> int { throw std::runtime_error("a bug"); });
  CHECK(thrown.exit_code == 1);
  CHECK(thrown.err == "mailstead: a bug\n");
}

TEST_CASE("root works as the data folder's owner, so that no file of root's is left", "[cli]") {
  if (::geteuid() != 0) return;
  const Place place;
  REQUIRE(::chown(place.data.c_str(), 65534, 65534) == 0);
  const Outcome outcome = place.in({"mailbox", "add", "anna@example.org"});
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(place.data)) {
    struct stat facts {};
    REQUIRE(::lstat(entry.path().c_str(), &facts) == 0);
    INFO(entry.path());
    CHECK(facts.st_uid == 65534);
    CHECK(facts.st_gid == 65534);
  }
  // What the owner may not read is not read for him.
  write(place.folder / "secret.toml", "[log]\nlevel = 'error'\n");
  ::chmod((place.folder / "secret.toml").c_str(), 0600);
  CHECK(place.in({"config", "show", "--config", place.folder / "secret.toml"}).exit_code == 1);
}

TEST_CASE("another user is told whose folder it is", "[cli]") {
  if (::geteuid() != 0) return;
  const Place place;
  ::chmod(place.data.c_str(), 0700);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool became = ::setgid(65534) == 0 && ::setuid(65534) == 0;
    const Outcome outcome = place.in({"mailbox", "list"});
    ::_exit(became && outcome.exit_code == 1 && has(outcome.err, "run this as its owner or as root") ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}

namespace {

// What a script says when a shell runs it behind that shell's completion, which has to be the packaged one.
std::string completed(const std::string& shell, const std::string& packaged, const std::string& script) {
  const Outcome outcome = run({"completion", shell});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out == read(std::string(MAILSTEAD_COMPLETIONS) + "/" + packaged));
  const Folder folder;
  write(folder / "mailstead", outcome.out);
  write(folder / "try", script);
  const std::string command =
      "cd " + (folder / "") + " && " + shell + (shell == "zsh" ? " -f" : "") + " try > out";
  REQUIRE(std::system(command.c_str()) == 0);
  return read(folder / "out");
}

}  // namespace

TEST_CASE("the packaged completion is what the program prints, and bash takes it", "[cli]") {
  CHECK(completed(
            "bash", "mailstead",
            ". ./mailstead\n"
            "COMP_WORDS=(mailstead --data /d mailbox re); COMP_CWORD=4; _mailstead; echo ${COMPREPLY[@]}\n"
            "COMP_WORDS=(mailstead mailbox remove --k); COMP_CWORD=3; _mailstead; echo ${COMPREPLY[@]}\n"
            "COMP_WORDS=(mailstead doctor --only di); COMP_CWORD=3; _mailstead; echo ${COMPREPLY[@]}\n"
            "COMP_WORDS=(mailstead doctor --only tls,port-); COMP_CWORD=3; _mailstead; echo "
            "${COMPREPLY[@]}\n"
            "COMP_WORDS=(mailstead doctor --only port-25-out,tls,port-); COMP_CWORD=3; _mailstead; echo "
            "${COMPREPLY[@]}\n"
            "COMP_WORDS=(mailstead doctor --only = hos); COMP_CWORD=4; _mailstead; echo ${COMPREPLY[@]}\n"
            "COMP_WORDS=(mailstead import pop3 --tls =); COMP_CWORD=4; _mailstead; echo ${COMPREPLY[@]}\n"
            "COMP_WORDS=(mailstead doctor --only = tls --st); COMP_CWORD=5; _mailstead; echo "
            "${COMPREPLY[@]}\n") ==
        "remove\n--keep-mail\ndisk\ntls,port-25-out tls,port-25-in\nport-25-out,tls,port-25-in\nhostname\n"
        "implicit stls none\n--strict\n");
}

TEST_CASE("fish takes its completion", "[cli]") {
  CHECK(completed("fish", "mailstead.fish",
                  "source mailstead\n"
                  "complete -C 'mailstead --data /d mailbox re' | string split -f1 \\t\n"
                  "complete -C 'mailstead mailbox remove a@b.c --k' | string split -f1 \\t\n"
                  "complete -C 'mailstead app-password add a@b.c x --only se' | string split -f1 \\t\n"
                  "complete -C 'mailstead doctor --only tls,di'\n"
                  "complete -C 'mailstead doctor --on'\n"
                  "complete -C 'mailstead web-link --s'\n"
                  "complete -C 'mailstead stat'\n") ==
        "remove\n--keep-mail\nsend\ntls,disk\n--only\tsome checks\n--sessions\tmake none, and list who is in "
        "the page\nstatus\tsay what the running server does; fails when none runs\n");
}

TEST_CASE("zsh takes its completion", "[cli]") {
  // Stand-ins for its completion system, which needs a terminal.
  CHECK(completed("zsh", "_mailstead",
                  "compdef() { echo \"$@\" }\n"
                  "compadd() { shift; print -l -- ${(M)@:#$words[CURRENT]*} }\n"
                  "compset() { return 1 }\n"
                  "_describe() { print -l -- ${(M)candidates:#$words[CURRENT]*} }\n"
                  "source ./mailstead\n"
                  "words=(mailstead --data /d mailbox re); CURRENT=5; _mailstead\n"
                  "words=(mailstead mailbox remove --k); CURRENT=4; _mailstead\n"
                  "words=(mailstead app-password add a@b.c x --only se); CURRENT=7; _mailstead\n"
                  "words=(mailstead doctor --only di); CURRENT=4; _mailstead\n") ==
        "_mailstead mailstead\nremove:remove a mailbox with its mail\n--keep-mail\nsend\ndisk\n");
}

TEST_CASE("output that cannot be written is an error", "[cli]") {
  const pid_t child = ::fork();
  if (child == 0) {
    const int full = ::open("/dev/full", O_WRONLY);
    ::dup2(full, STDOUT_FILENO);
    ::dup2(full, STDERR_FILENO);
    char name[] = "mailstead", help[] = "help";
    char* arguments[] = {name, help, nullptr};
    ::_exit(run_cli(2, arguments, {}));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == 1);
}
