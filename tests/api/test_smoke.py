from tests.api.world import World, new_id
def test_smoke(world: World) -> None:
    print(world.product)
    ids = world.import_devices(3)
    print(world.device(ids[0]))
    print(world.get("/devices"))
    world.create_group("beta")
    print(world.put(f"/devices/{ids[0]}", name="n", groups=["beta","x"]))
    print(world.device(ids[0]))
    print(world.prove(1))
    print(world.release(1, groups=["beta"]))
    print(world.get("/impact", firmware_version=1, product_default=True, list="1"))
    print(world.get(f"/devices/{ids[0]}/why"))
    print(world.get(f"/history"))
    print(world.api.get("/v1/status").json())
    assert 0
