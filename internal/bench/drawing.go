package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// Sizes of a panel and its parts.
const (
	panelWidth, panelHeight   = 380, 270
	left, right, top, floorOf = 52, 18, 36, 38 // around what is drawn in a panel
	legend                    = 34
)

// drawingHead has the colours for a light and a dark page.
const drawingHead = `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" viewBox="0 0 %[1]d %[2]d" font-family="system-ui, sans-serif" font-size="12">
<style>
  text { fill: #24292f } .grid { stroke: #d0d7de } .peer { stroke: #bc4c00; fill: #bc4c00 } .own { stroke: #0969da; fill: #0969da }
  polyline { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .grid { stroke: #3d444d } .peer { stroke: #f0883e; fill: #f0883e } .own { stroke: #58a6ff; fill: #58a6ff }
  }
</style>
`

// drawing gives the measures as small plots in SVG, two beside each other, with
// logarithmic axes, so that a cost that grows with the services is a slope of one.
func drawing(measures []measure) []byte {
	var b bytes.Buffer
	rows := (len(measures) + 1) / 2
	fmt.Fprintf(&b, drawingHead, 2*panelWidth, rows*panelHeight+legend)
	for i, name := range []string{peerName, "ctmpl"} {
		x := left + i*220
		fmt.Fprintf(&b, "<g class=%q><circle cx=\"%d\" cy=\"18\" r=\"4\"/></g><text x=\"%d\" y=\"22\">%s</text>\n", []string{"peer", "own"}[i], x, x+10, name)
	}
	for i, m := range measures {
		fmt.Fprintf(&b, "<g transform=\"translate(%d %d)\">\n", i%2*panelWidth, i/2*panelHeight+legend)
		newPanel(m).draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// panel is one plot with the range of its axes, in powers of ten.
type panel struct {
	measure
	x0, x1, y0, y1 float64
}

func newPanel(m measure) panel {
	p := panel{measure: m, x0: math.Inf(1), x1: math.Inf(-1), y0: math.Inf(1), y1: math.Inf(-1)}
	for _, q := range append(append([]point{}, m.peer...), m.own...) {
		p.x0, p.x1 = min(p.x0, math.Log10(q.x)), max(p.x1, math.Log10(q.x))
		if q.y > 0 {
			p.y0, p.y1 = min(p.y0, math.Log10(q.y)), max(p.y1, math.Log10(q.y))
		}
	}
	p.x0, p.x1 = p.x0-0.08, p.x1+0.08
	p.y0, p.y1 = math.Floor(p.y0), math.Ceil(max(p.y1, p.y0+0.1))
	return p
}

func (p panel) draw(b *bytes.Buffer) {
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" font-weight=\"600\">%s</text>\n", left, top-14, p.name)
	for y := p.y0; y <= p.y1; y++ {
		at := p.atY(math.Pow(10, y))
		fmt.Fprintf(b, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
			left, at, panelWidth-right, left-6, at+4, plain(math.Pow(10, y)))
	}
	for _, q := range p.own {
		at := p.atX(q.x)
		fmt.Fprintf(b, "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
			at, top, panelHeight-floorOf, at, panelHeight-floorOf+16, plain(q.x))
	}
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">services</text>\n", panelWidth-right, panelHeight-4)
	p.line(b, "peer", p.peer)
	p.line(b, "own", p.own)
}

// line draws what was measured of one program. What was too little to be measured has
// no place on a logarithmic axis.
func (p panel) line(b *bytes.Buffer, class string, points []point) {
	var path, dots bytes.Buffer
	for _, q := range points {
		if q.y <= 0 {
			continue
		}
		x, y := p.atX(q.x), p.atY(q.y)
		fmt.Fprintf(&path, "%.1f,%.1f ", x, y)
		fmt.Fprintf(&dots, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", x, y)
	}
	fmt.Fprintf(b, "<g class=%q><polyline points=%q/>%s</g>\n", class, bytes.TrimSpace(path.Bytes()), &dots)
}

func (p panel) atX(x float64) float64 {
	return left + (math.Log10(x)-p.x0)/(p.x1-p.x0)*(panelWidth-left-right)
}

func (p panel) atY(y float64) float64 {
	return panelHeight - floorOf - (math.Log10(y)-p.y0)/(p.y1-p.y0)*(panelHeight-floorOf-top)
}

// plain has no exponent, and no more digits than it needs.
func plain(v float64) string {
	if v >= 1000 && math.Mod(v, 1000) == 0 {
		return strconv.Itoa(int(v/1000)) + "k"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
