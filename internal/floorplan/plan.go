package floorplan

// room is a package with everything below it.
type room struct {
	path      string   // below the module, without a slash at its end
	mayImport []string // rooms of ours, besides itself
	why       string
}

// everything stands for all rooms but cmd.
const everything = "*"

// rooms is the table of CONTRIBUTING.md. The order is the direction of the
// arrows: a room may only name rooms above it.
func rooms() []room {
	return []room{
		{"events", nil,
			"events is what travels; everything depends on it, so it depends on nothing"},
		{"loyalty", []string{"events"},
			"the rules are pure functions of events; anything else here would make a replay differ"},
		{"program", []string{"events", "loyalty"},
			"program turns a file into rules and does not know where either is kept"},
		{"schemas", []string{"events"},
			"the wire contract outlives the rules and must not follow their changes"},
		{"state", []string{"events", "loyalty", "schemas"},
			"state folds decisions; it does not know where they come from"},
		{"projector", []string{"events", "loyalty", "schemas", "state"},
			"the projector brings the ledger into state; it does not decide"},
		{"consumer", []string{"events", "loyalty", "program", "schemas", "state", "projector"},
			"the consumer decides and commits; it does not know who asks over HTTP"},
		{"api", []string{"events", "loyalty", "program", "schemas", "state"},
			"the API reads state and sends commands; it reaches the engine through interfaces that cmd wires"},
		{"analytics", []string{"events", "schemas"},
			"analytics replays topics as anyone outside could; with our state at hand it would prove nothing"},
		{"internal", []string{everything},
			"internal holds what cmd and tests share; the engine's packages may not lean on it"},
		{"deploy", nil,
			"deploy holds files for operators and a test that reads them"},
		{"bench", []string{"events", "schemas", "internal"},
			"bench measures the accrue binary from outside, as a producer and a reader"},
		{"cmd", []string{everything},
			"cmd wires everything and holds no rules, so nothing may import it"},
	}
}

// owned is a library that only some rooms may import, in their tests too.
type owned struct {
	library string // import path; everything below it is meant too
	by      []string
	why     string
}

func libraries() []owned {
	return []owned{
		{"github.com/hamba/avro", []string{"schemas"},
			"one codec, with its limits set in one place; the library is archived and must be replaceable"},
		{"github.com/twmb/avro", []string{"schemas"},
			"it is the second opinion in the codec's tests"},
		{"github.com/twmb/franz-go/pkg/sr", []string{"schemas", "internal"},
			"schemas alone talks to the registry and caches its ids"},
		{"github.com/cockroachdb/pebble", []string{"state", "internal/faultydisk"},
			"Pebble's defaults exit the process on corruption; state sets every option once"},
		{"github.com/testcontainers/testcontainers-go", []string{"internal/kafkatest"},
			"tests ask kafkatest for a broker and do not care how it is started"},
		{"cel.dev/cel-go", []string{"program"},
			"expressions are compiled where the program file is, and nowhere else"},
		{"github.com/google/cel-go", []string{"program"},
			"expressions are compiled where the program file is, and nowhere else"},
		{"go.yaml.in/yaml", []string{"program", "internal/intake", "deploy"},
			"program.yaml and an import's map are the only YAML that accrue reads"},
		{"gopkg.in/yaml.v3", nil,
			"it is unmaintained: use go.yaml.in/yaml/v3, in program"},
		{"github.com/danielgtaylor/huma", []string{"api"},
			"HTTP types stay in the API"},
		{"github.com/alecthomas/kong", []string{"cmd"},
			"cmd alone knows the command line"},
		{"github.com/jotaen/kong-completion", []string{"cmd"},
			"cmd alone knows the command line"},
		{"github.com/stretchr/testify", nil,
			"tests say what was expected in their own words, with the standard library"},
	}
}

// pure are the rooms whose result may depend on nothing but their arguments.
func pure() []string { return []string{"events", "loyalty"} }

// impureImports are the packages that pure rooms may not import, in their
// production code.
func impureImports() []string {
	return []string{"context", "log", "math/rand", "math/rand/v2", "crypto/rand", "net", "os", "io/fs", "database/sql", "runtime", "syscall", "unsafe"}
}

// call is a function of the standard library, as it is written.
type call struct{ pkg, name string }

// clock are the calls that read the clock or wait for it.
func clock() []call {
	return []call{{"time", "Now"}, {"time", "Since"}, {"time", "Until"}, {"time", "After"}, {"time", "AfterFunc"}, {"time", "Sleep"}, {"time", "Tick"}, {"time", "NewTimer"}, {"time", "NewTicker"}}
}

// outside are the rooms that may read flags and the environment. Tests may,
// everywhere.
func outside() []string { return []string{"cmd", "internal", "bench"} }

// environment are the calls that read the process's environment.
func environment() []call {
	return []call{{"os", "Getenv"}, {"os", "LookupEnv"}, {"os", "Environ"}, {"os", "ExpandEnv"}, {"syscall", "Getenv"}}
}
