"""A lesson as an assignment for a grader: nbgrader or Otter-Grader, neither of which has to be installed here.

`labkit.exercises.handout.assignment` reads the notebook; `nbgrader` and `otter` write what their grader expects, for
students without solutions and hidden tests, and for instructors with both. Every test is a call of
`labkit.exercises.grade`.
"""
