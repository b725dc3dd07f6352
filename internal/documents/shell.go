package documents

import "strings"

// Command is a simple command of a shell: a name and arguments without operators.
type Command struct {
	Block
	// Words are the name and its arguments, without quotes.
	Words []string
}

// Commands returns the simple commands of a block of language sh, or of a span. It
// leaves out comments, redirections and leading assignments, and expands nothing. It
// understands only the syntax that the pages use.
func (b Block) Commands() []Command {
	var all []Command
	for i, line := range strings.Split(b.Text, "\n") {
		at := b
		at.Line += i
		for _, words := range simple(line) {
			all = append(all, Command{at, words})
		}
	}
	return all
}

func simple(line string) (commands [][]string) {
	var words []string
	for _, w := range tokens(line) {
		switch {
		case w.operator:
			if len(words) > 0 {
				commands = append(commands, words)
			}
			words = nil
		case len(words) == 0 && strings.Contains(w.text, "=") && !strings.HasPrefix(w.text, "-"): // an assignment
		default:
			words = append(words, w.text)
		}
	}
	if len(words) > 0 {
		commands = append(commands, words)
	}
	for i, words := range commands {
		for at, w := range words {
			if w == ">" { // into a file
				commands[i] = append(words[:at:at], words[min(at+2, len(words)):]...)
				break
			}
		}
	}
	return commands
}

type token struct {
	text     string
	operator bool
}

func tokens(line string) (all []token) {
	var word strings.Builder
	quote, inWord := rune(0), false
	end := func() {
		if text := word.String(); inWord {
			all = append(all, token{text, text == "&&" || text == "|"})
		}
		word.Reset()
		inWord = false
	}
	for _, c := range line {
		switch {
		case quote == c:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			end()
		case c == '#' && !inWord:
			return all
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	end()
	return all
}
