package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
)

// cli is the command line.
type cli struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"What to print: text for people, json for programs." env:"ACCRUE_OUTPUT"`

	Demo        demoCommand        `cmd:"" group:"start" help:"See it all on a shop's real purchases, in this process and in memory."`
	Dev         devCommand         `cmd:"" group:"start" help:"Broker, registry, engine and API in this process, kept in a folder."`
	Run         runCommand         `cmd:"" group:"serve" help:"One instance of the engine and its API against Kafka."`
	Healthcheck healthcheckCommand `cmd:"" group:"serve" help:"Ask an instance whether it is ready."`

	Program  programCommand  `cmd:"" group:"rules" help:"Validate, publish, show and compare the rules."`
	Simulate simulateCommand `cmd:"" group:"rules" help:"Decide a file of events by a program, without Kafka."`

	Import importCommand `cmd:"" group:"data" help:"Publish files of events: JSON lines, or a shop's CSV with a map."`
	Export exportCommand `cmd:"" group:"data" help:"Write the ledger for other programs: JSON lines or CSV."`

	Deadletter deadletterCommand `cmd:"" group:"data" help:"Records that could not be read or decided."`

	Topics topicsCommand `cmd:"" group:"serve" help:"Make and check the topics."`
	Clock  clockCommand  `cmd:"" group:"serve" help:"Where the clock stands, and letting it go."`

	Verify verifyCommand `cmd:"" group:"proof" help:"Decide the whole ledger once more and compare."`
	Report reportCommand `cmd:"" group:"proof" help:"Reports from the topics."`

	Balance   balanceCommand   `cmd:"" group:"customer" help:"Points to spend, pending, reserved, expiring."`
	Lots      lotsCommand      `cmd:"" group:"customer" help:"Points by lot: when earned, when they go."`
	Statement statementCommand `cmd:"" group:"customer" help:"Decisions, newest first."`
	Tier      tierCommand      `cmd:"" group:"customer" help:"The tier, what it brings, what the next one takes."`
	Explain   explainCommand   `cmd:"" group:"customer" help:"How a decision came about."`
	Redeem    redeemCommand    `cmd:"" group:"customer" help:"Reserve points."`
	Confirm   confirmCommand   `cmd:"" group:"customer" help:"Spend reserved points."`
	Cancel    cancelCommand    `cmd:"" group:"customer" help:"Give reserved or spent points back."`
	Adjust    adjustCommand    `cmd:"" group:"customer" help:"Add or take points by hand."`
	Calculate calculateCommand `cmd:"" group:"customer" help:"What a cart would earn and may redeem."`

	Version    versionCommand            `cmd:"" group:"tools" help:"Print the version."`
	Completion kongcompletion.Completion `cmd:"" group:"tools" help:"Print how to complete commands in your shell."`
}

func groups() []kong.Group {
	return []kong.Group{
		{Key: "start", Title: "Start here"},
		{Key: "serve", Title: "Run"},
		{Key: "rules", Title: "Rules"},
		{Key: "data", Title: "Data in and out"},
		{Key: "customer", Title: "One customer, through the API"},
		{Key: "proof", Title: "Proofs and reports"},
		{Key: "tools", Title: "Tools"},
		{Key: "kafka", Title: "Kafka"},
	}
}

// run is what every command gets.
type run struct {
	*Main
	ctx  context.Context
	json bool
	kong *kong.Kong
	// Stdin is Main's, and gives up when ctx is done; Stdout is Main's, and its errors are not forgotten.
	Stdin  io.Reader
	Stdout io.Writer
}

// exited carries the code of kong's --help through its stack.
type exited int

// execute parses args, runs the command, reports what came of it and returns the exit code.
func (m *Main) execute(ctx context.Context, args []string) int {
	out := &outlet{to: m.Stdout}
	asJSON, err := m.parseAndRun(ctx, args, out)
	return m.report(out.outcome(err), asJSON)
}

// parseAndRun also says whether errors are wanted as JSON.
func (m *Main) parseAndRun(ctx context.Context, args []string, out io.Writer) (asJSON bool, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exited:
			asJSON, err = wantsJSON(args), nil
			if p != 0 {
				err = &failure{code: int(p), err: errors.New("see the output"), silent: true}
			}
		default:
			panic(p)
		}
	}()
	var c cli
	parser, err := kong.New(&c,
		kong.Name("accrue"),
		kong.Description("Loyalty points, exactly once: events in, decisions out, every point explained and derivable again.\n\n"+
			"New here? `accrue demo` shows it all on real purchases; `accrue simulate --help` tries rules on a file.\n\n"+
			"Exit codes: 0 done; 1 the thing asked about is not so; 2 wrong usage; 3 could not be done."),
		kong.Writers(out, m.Stderr),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.WithHyphenPrefixedParameters(true),
		kong.ExplicitGroups(groups()),
		kong.ValueFormatter(helpOf),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
	)
	if err != nil {
		panic(fmt.Sprintf("the command line is described wrongly: %v", err))
	}
	kongcompletion.Register(parser, kongcompletion.WithExitFunc(func(code int) { panic(exited(code)) }))
	parsed, err := parser.Parse(args)
	if err != nil {
		return wantsJSON(args), usageOf(err, args)
	}
	r := &run{Main: m, ctx: ctx, Stdin: hearing(ctx, m.Stdin), Stdout: out, json: c.Output == "json", kong: parser}
	err = parsed.Run(r)
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = interrupted()
	}
	return r.json, err
}

// helpOf adds the default to the help of a flag whose placeholder stands where kong would show it.
func helpOf(v *kong.Value) string {
	with := *v
	if v.Flag != nil && v.Flag.PlaceHolder != "" && v.Default != "" {
		with.Help += " Default: " + v.Default + "."
	}
	return kong.DefaultHelpValueFormatter(&with)
}

// usageOf words kong's parse errors.
func usageOf(err error, args []string) error {
	var parse *kong.ParseError
	hint := "Try `accrue --help`."
	var command *kong.Node
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		command = parse.Context.Selected()
		hint = fmt.Sprintf("Try `%s --help`.", command.FullPath())
	}
	// kong puts the command's name before what its Validate reports.
	var problems interface {
		error
		Unwrap() []error
	}
	if errors.As(err, &problems) {
		err = problems
	}
	if len(args) == 0 {
		hint = "Try `accrue demo`, or `accrue --help` for all commands."
	}
	if number := negative(args); command != nil && number != "" && strings.HasPrefix(err.Error(), "unknown flag "+number[:2]) {
		return negativeGiven(command.Name, number)
	}
	if word, found := strings.CutPrefix(err.Error(), "unexpected argument "); found && (command == nil || len(command.Children) > 0) {
		err = errors.New("there is no command " + word)
	}
	return &failure{code: exitUsage, err: worded(err), hint: hint}
}

// worded says in our words what kong says in those of programmers.
func worded(err error) error {
	text := err.Error()
	for _, w := range []struct{ said, says string }{
		{`expected a valid 16 bit int but got (".*")`, "is $1, want a whole number of at most 32767"},
		{`expected a valid 32 bit int but got (".*")`, "is $1, want a whole number of at most 2147483647"},
		{`expected a valid 64 bit int but got (".*")`, "is $1, want a whole number"},
		{`expected a float but got (".*")( \(.*\))?`, "is $1, want a number such as 0.1"},
		{`expected duration but got (".*"): time: .*`, "is $1, want a duration such as 1s, 500ms or 0"},
		{` must be one of (.*) but got (".*")`, ": is $2, want one of $1"},
		{`"",|,""`, ""},
		{`^expected "(<.*)"$`, "missing: $1"},
		{`^expected one of "`, `a command is missing: one of "`},
		{`^expected ("[a-z]+")$`, "a command is missing: $1"},
	} {
		text = regexp.MustCompile(w.said).ReplaceAllString(text, w.says)
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// negative returns the first of args that is a negative number, or "".
func negative(args []string) string {
	if i := slices.IndexFunc(args, regexp.MustCompile(`^-[0-9]+$`).MatchString); i >= 0 {
		return args[i]
	}
	return ""
}

// negativeGiven words that a number was taken for a flag.
func negativeGiven(command, number string) error {
	err := fmt.Errorf("%s is no flag", number)
	hint := "Write -- before an argument that begins with a dash."
	switch command {
	case "redeem":
		err = fmt.Errorf("points: is %s, must be more than 0", number)
		hint = "`accrue adjust` takes points away by hand, `accrue cancel` gives redeemed ones back."
	case "adjust":
		hint = "Points are given as --points=" + number + "."
	}
	return &failure{code: exitUsage, err: err, hint: hint}
}
