import pytest

from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.training import recipe

TWO = """
import brave_tf.data.views.falling_gap
import brave_tf.data.views.copied_window
import brave_tf.data.views.rgb
import brave_tf.objectives.supervised

Recipe.views = {'narrow': @narrow/RgbView(), 'later': @narrow/RgbView(), 'back': @narrow/RgbView()}
Recipe.objective = @Supervised
narrow/RgbView.size = 16
"""


def loaded(tmp_path, text):
    path = tmp_path / "recipe.gin"
    path.write_text(TWO + text)
    config.load_config([str(path)], [])
    return recipe.bound(recipe.Recipe)


GAP = "FallingGap.views = ('narrow', 'later')\n"


@pytest.mark.parametrize("one", ["@FallingGap()", "[@FallingGap()]"])
def test_a_rule_is_bound_alone_or_in_a_list(tmp_path, one):
    (rule,) = loaded(tmp_path, f"Recipe.windows = {one}\n{GAP}").windows
    assert rule.placed == ("narrow", "later")


def test_several_rules(tmp_path):
    text = "Recipe.windows = [@FallingGap(), @CopiedWindow()]\nCopiedWindow.view = 'back'\n"
    text += "CopiedWindow.of = 'later'\nCopiedWindow.reverse = True\n"
    rules = loaded(tmp_path, text + GAP).windows
    assert [rule.placed for rule in rules] == [("narrow", "later"), ("back",)]


def test_without_rules(tmp_path):
    assert loaded(tmp_path, "").windows == ()


def test_rules_are_checked_with_the_views(tmp_path):
    text = "Recipe.windows = @FallingGap()\nFallingGap.views = ('narrow', 'latter')\n"
    with pytest.raises(UserError, match="'latter', but .* Did you mean later"):
        loaded(tmp_path, text)
