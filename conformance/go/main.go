// Command conformance runs the checks of one client and prints what came of each as JSON.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"
)

const checkTimeout = 60 * time.Second

// errAbsent says that the client has no such feature.
var errAbsent = errors.New("the client has no such feature")

type check func(ctx context.Context, bootstrap string)

type result struct {
	Check   string  `json:"check"`
	Outcome string  `json:"outcome"`
	Detail  string  `json:"detail"`
	Seconds float64 `json:"seconds"`
}

// program is what the first argument names.
type program struct {
	client, module string
	checks         map[string]check
}

var programs = map[string]program{
	"franz-go":       {"franz-go", "github.com/twmb/franz-go", checks},
	"amqp091-go":     {"amqp091-go", "github.com/rabbitmq/amqp091-go", rabbitChecks},
	"aws-sdk-go":     {"AWS SDK for Go", "github.com/aws/aws-sdk-go-v2/service/sqs", sqsChecks},
	"aws-sdk-go-sns": {"AWS SDK for Go", "github.com/aws/aws-sdk-go-v2/service/sns", snsChecks},
}

func main() {
	program, bootstrap, words := programs[os.Args[1]], os.Args[2], os.Args[4:]
	out := json.NewEncoder(os.Stdout)
	must(out.Encode(map[string]string{"client": program.client, "version": version(program.module)}))
	list, err := os.ReadFile(os.Args[3])
	must(err)
	var named []struct{ Check string }
	must(json.Unmarshal(list, &named))
	for _, item := range named {
		if len(words) == 0 || slices.Contains(words, item.Check) {
			must(out.Encode(run(item.Check, program.checks[item.Check], bootstrap)))
		}
	}
}

// run calls one check; whatever it panics with is the reason why it failed.
func run(name string, call check, bootstrap string) (outcome result) {
	startedAt := time.Now()
	outcome = result{Check: name, Outcome: "pass"}
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	defer func() {
		outcome.Seconds = time.Since(startedAt).Round(time.Millisecond).Seconds()
		if reason := recover(); reason == errAbsent {
			outcome.Outcome, outcome.Detail = "absent", errAbsent.Error()
		} else if reason != nil {
			outcome.Outcome, outcome.Detail = "fail", fmt.Sprint(reason)
			fmt.Fprintf(os.Stderr, "%s: %v\n%s\n", name, reason, debug.Stack())
		}
	}()
	if call == nil {
		panic(errAbsent)
	}
	call(ctx, bootstrap)
	return outcome
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	return "unknown"
}

// fresh returns a name that nobody has used before.
func fresh(word string) string {
	var noise [6]byte
	_, err := rand.Read(noise[:])
	must(err)
	return word + "-" + hex.EncodeToString(noise[:])
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func equal[T comparable](got, wanted T, what string) {
	if got != wanted {
		panic(fmt.Sprintf("%s: got %v, wanted %v", what, got, wanted))
	}
}

// refusedWith says that a call had to fail with this error.
func refusedWith(err, wanted error, what string) {
	if !errors.Is(err, wanted) {
		panic(fmt.Sprintf("%s: got error %v, wanted %v", what, err, wanted))
	}
}

// until repeats until the condition holds.
func until(ctx context.Context, condition func() bool, what string) {
	for !condition() {
		if ctx.Err() != nil {
			panic("never came true: " + what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
