package loading

import "countersign/internal/config/option"

// web checks [web]; its addresses are checked with all others.
func (v *validator) web() {
	for j, name := range v.c.Web.Certificates {
		v.certificateNamed(option.Element("web.certificates", j), name)
	}
}
