package main

import (
	"strings"
	"unicode/utf8"
)

// maxCompared bounds the characters of a name that are compared.
const maxCompared = 100

// nearest returns the name with the smallest edit distance from given, ignoring
// case. If several names are equally near, it returns the first of them.
func nearest(given string, names []string) string {
	best, fewest := "", -1
	for _, name := range names {
		if n := changes(strings.ToLower(given), strings.ToLower(name)); fewest < 0 || n < fewest {
			best, fewest = name, n
		}
	}
	return best
}

// suggestion names the name that is nearest to given. If the two differ in more
// than about a third of the longer one's characters, suggestion lists all names
// instead.
func suggestion(given string, names []string) string {
	best := nearest(given, names)
	longer := min(maxCompared, max(utf8.RuneCountInString(given), utf8.RuneCountInString(best)))
	if changes(strings.ToLower(given), strings.ToLower(best)) <= (longer+2)/3 {
		return "the nearest is " + best
	}
	return "there are " + strings.Join(names, ", ")
}

// changes returns the Levenshtein distance of two texts.
func changes(a, b string) int {
	from, to := cut([]rune(a), maxCompared), cut([]rune(b), maxCompared)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range to {
			replaced := diagonal
			if r != s {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}

func cut[T any](s []T, most int) []T { return s[:min(len(s), most)] }
