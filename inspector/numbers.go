package inspector

import (
	"net/http"
	"time"

	"github.com/payack/payack"
)

// numbers are the counts of the last hour and the last day. Since is when the
// process started to count.
type numbers struct {
	Since      time.Time `json:"since"`
	Deliveries []counted `json:"deliveries"`
	// Attempts counts the attempts to process kept events.
	Attempts []counted `json:"attempts"`
	State    state     `json:"state"`
	Kept     bool      `json:"inbox"`

	hour, day []map[payack.Outcome]int
}

func (i *Inspector) showNumbers(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	n := &numbers{
		Since: i.started.UTC(), Deliveries: append([]counted{}, i.counts.table(now, false)...), Attempts: append([]counted{}, i.counts.table(now, true)...),
		State: i.state.now(r.Context(), i), Kept: i.cfg.Inbox != nil,
		hour: i.counts.series(now, 60, 1), day: i.counts.series(now, 48, 30),
	}
	if wantsJSON(r) {
		i.writeJSON(w, http.StatusOK, n)
		return
	}
	i.render(w, r, http.StatusOK, "numbers", "Numbers", n)
}

// Size of a chart, in its own units.
const (
	chartWidth, chartHeight = 720, 96
	gap                     = 2
)

// chart is columns of bars, drawn as SVG.
type chart struct {
	Title         string
	Width, Height int
	Bars          []bar
	// Most is the greatest number of deliveries in a column.
	Most int
	From string
}

type bar struct {
	X, Y, Width, Height int
	Outcome             payack.Outcome
}

// Hour returns the chart of the last hour by the minute.
func (n *numbers) Hour() chart { return draw("Last hour, by the minute", "60 min ago", n.hour) }

// Day returns the chart of the last day by half hours.
func (n *numbers) Day() chart { return draw("Last day, by half hours", "24 h ago", n.day) }

// draw stacks the outcomes of each column, the good ones at the bottom. Even the
// smallest count is visible.
func draw(title, from string, series []map[payack.Outcome]int) chart {
	c := chart{Title: title, Width: chartWidth, Height: chartHeight, From: from}
	for _, column := range series {
		sum := 0
		for _, n := range column {
			sum += n
		}
		c.Most = max(c.Most, sum)
	}
	if c.Most == 0 {
		return c
	}
	step := chartWidth / len(series)
	for at, column := range series {
		y := chartHeight
		for _, o := range outcomes {
			n := column[o]
			if n == 0 {
				continue
			}
			h := min(max(2, n*chartHeight/c.Most), y)
			y -= h
			c.Bars = append(c.Bars, bar{at * step, y, step - gap, h, o})
		}
	}
	return c
}

// Share returns the length of one line's bar, in percent of the longest bar of lines.
// The parameter named of is that line's count of the last day.
func (n *numbers) Share(lines []counted, of int) int {
	most := 1
	for _, l := range lines {
		most = max(most, l.Day)
	}
	if of == 0 {
		return 0
	}
	return max(1, of*100/most)
}
